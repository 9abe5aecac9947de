(* The model of model.lean, for the second kernel. *)

Record Key := mkKey
  { scopes : Scopes; bound : bool; key_mailbox : nat; active : bool; fromSend : bool }.
Record Decision := mkDecision
  { approves : bool; seen : nat; decider : Scopes; time : nat; due : nat }.
Record Message := mkMessage
  { born : bool; mailbox : nat; mode : Mode; state : State; content : nat; deadline : nat;
    decided : bool; decision : Decision;
    left_ : bool; leftContent : nat; leftDecided : bool; leftDecision : Decision }.
Record Code := mkCode
  { issued : bool; code_mailbox : nat; code_mode : Mode; given : bool; givenBy : Scopes; used : bool }.
Record World := mkWorld
  { now : nat; keys : nat -> Key; modes : nat -> Mode; messages : nat -> Message;
    codes : nat -> Code }.

Definition put {A} (f : nat -> A) (n : nat) (v : A) : nat -> A := fun i => if i =? n then v else f i.

Definition sees (k : Key) (b : nat) : bool := negb (bound k) || (key_mailbox k =? b).
Definition can (o : Operation) (k : Key) : bool := active k && may o (scopes k).
Definition touches (o : Operation) (k : Key) (b : nat) : bool := can o k && sees k b.

Inductive Change (w : World) (k : nat) : Message -> Message -> Prop :=
| send b c d md e m :
    touches Operation_send (keys w k) b = true -> looser md (modes w b) = false -> born m = false ->
    Change w k m (mkMessage true b md (next md State_pending_scan e) c d false (decision m)
      false (leftContent m) (leftDecided m) (leftDecision m))
| edit c d o e m :
    born m = true -> isEdit e = true -> fires (mode m) (state m) e = true ->
    touches o (keys w k) (mailbox m) = true ->
    Change w k m (mkMessage true (mailbox m) (mode m) (next (mode m) (state m) e) c d
      false (decision m) (left_ m) (leftContent m) (leftDecided m) (leftDecision m))
| decide c e m :
    born m = true -> isDecision e = true -> fires (mode m) (state m) e = true ->
    touches Operation_decide (keys w k) (mailbox m) = true -> approver (scopes (keys w k)) = true ->
    c = content m -> (now w <? deadline m) = true ->
    Change w k m (mkMessage true (mailbox m) (mode m) (next (mode m) (state m) e) (content m)
      (deadline m) true
      (mkDecision (isApproval e) c (scopes (keys w k)) (now w) (deadline m))
      (left_ m) (leftContent m) (leftDecided m) (leftDecision m))
| event d o e m :
    born m = true -> isDecision e = false -> isEdit e = false ->
    touches o (keys w k) (mailbox m) = true ->
    Change w k m (mkMessage true (mailbox m) (mode m) (next (mode m) (state m) e) (content m) d
      (decided m) (decision m) (left_ m) (leftContent m) (leftDecided m) (leftDecision m)).

Inductive Work : Message -> Message -> Prop :=
| work_event d e m :
    born m = true -> isDecision e = false -> isEdit e = false ->
    Work m (mkMessage true (mailbox m) (mode m) (next (mode m) (state m) e) (content m) d
      (decided m) (decision m) (left_ m) (leftContent m) (leftDecided m) (leftDecision m))
| handOver m : born m = true -> isSending (state m) = true ->
    Work m (mkMessage true (mailbox m) (mode m) (state m) (content m) (deadline m)
      (decided m) (decision m) true (content m) (decided m) (decision m)).

Inductive Act (w : World) (k : nat) : World -> Prop :=
| act_message n m : Change w k (messages w n) m ->
    Act w k (mkWorld (now w) (keys w) (modes w) (put (messages w) n m) (codes w))
| grant n s b i : can Operation_grant (keys w k) = true -> grantable (scopes (keys w k)) s = true ->
    Act w k (mkWorld (now w) (put (keys w) n (mkKey s b i true
      (Scopes_send (scopes (keys w k)) || fromSend (keys w k)))) (modes w) (messages w) (codes w))
| revoke n : can Operation_revoke (keys w k) = true ->
    Act w k (mkWorld (now w) (put (keys w) n (mkKey (scopes (keys w n)) (bound (keys w n))
      (key_mailbox (keys w n)) false (fromSend (keys w n)))) (modes w) (messages w) (codes w))
| setMode b md : touches Operation_set_mode (keys w k) b = true -> looser md (modes w b) = false ->
    Act w k (mkWorld (now w) (keys w) (put (modes w) b md) (messages w) (codes w))
| requestCode b c md : touches Operation_request_code (keys w k) b = true ->
    issued (codes w c) = false ->
    Act w k (mkWorld (now w) (keys w) (modes w) (messages w)
      (put (codes w) c (mkCode true b md false (scopes (keys w k)) false)))
| readCode c : touches Operation_read_code (keys w k) (code_mailbox (codes w c)) = true ->
    Act w k (mkWorld (now w) (keys w) (modes w) (messages w) (put (codes w) c
      (mkCode (issued (codes w c)) (code_mailbox (codes w c)) (code_mode (codes w c)) true
        (scopes (keys w k)) (used (codes w c)))))
| redeem c : touches Operation_redeem_code (keys w k) (code_mailbox (codes w c)) = true ->
    given (codes w c) = true -> used (codes w c) = false ->
    Act w k (mkWorld (now w) (keys w) (put (modes w) (code_mailbox (codes w c)) (code_mode (codes w c)))
      (messages w) (put (codes w) c (mkCode (issued (codes w c)) (code_mailbox (codes w c))
        (code_mode (codes w c)) true (givenBy (codes w c)) true))).

Inductive Steps : World -> World -> Prop :=
| none w : Steps w w
| act u v w k : Steps u v -> Act v k w -> Steps u w
| work u v n m : Steps u v -> Work (messages v n) m ->
    Steps u (mkWorld (now v) (keys v) (modes v) (put (messages v) n m) (codes v))
| tick u v t : Steps u v -> now v <= t ->
    Steps u (mkWorld t (keys v) (modes v) (messages v) (codes v))
| crash u v : Steps u v -> Steps u v.

Record Empty (w : World) : Prop :=
  { unborn : forall n, born (messages w n) = false;
    here : forall n, left_ (messages w n) = false;
    held : forall n, released (state (messages w n)) = false;
    original : forall k, fromSend (keys w k) = false;
    unread : forall c, given (codes w c) = false }.
