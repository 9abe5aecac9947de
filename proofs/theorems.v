(* The theorems of theorems.lean, under the same names. *)

Arguments Nat.eqb : simpl never.
Arguments Nat.ltb : simpl never.
Ltac computed := vm_compute; reflexivity.
(* Split the hypotheses that are conjunctions of Booleans. *)
Ltac split_bools := repeat match goal with
  | H : _ && _ = true |- _ => apply andb_true_iff in H; destruct H
  | H : touches _ _ _ = true |- _ => unfold touches in H
  | H : can _ _ = true |- _ => unfold can in H
  end.

(* 1. Nothing leaves a gated mailbox without a decision of a principal that holds oversight and no
   send, on the content that leaves, before its expiry. *)

Definition approved (is_decided : bool) (d : Decision) (c : nat) : bool :=
  is_decided && approves d && approver (decider d) && (seen d =? c) && (time d <? due d).

Lemma approver_holds_oversight_and_no_send s :
  approver s = true -> Scopes_oversight s && negb (Scopes_send s) = true.
Proof.
  assert (H : everyScopes (fun s => implb (approver s)
    (Scopes_oversight s && negb (Scopes_send s))) = true) by computed.
  pose proof (everyScopes_all _ H s) as F; cbv beta in F; intros A; now rewrite A in F.
Qed.

Lemma gated_mail_is_held m e : gated m = true -> released (next m State_pending_scan e) = false.
Proof.
  assert (H : everyMode (fun m => everyEvent (fun e =>
    implb (gated m) (negb (released (next m State_pending_scan e))))) = true) by computed.
  pose proof (everyEvent_all _ (everyMode_all _ H m) e) as F; cbv beta in F.
  intros G; rewrite G in F; now apply negb_true_iff.
Qed.

Lemma edited_mail_is_held m s e :
  gated m = true -> isEdit e = true -> fires m s e = true -> released (next m s e) = false.
Proof.
  assert (H : everyMode (fun m => everyState (fun s => everyEvent (fun e =>
    implb (gated m && isEdit e && fires m s e) (negb (released (next m s e)))))) = true) by computed.
  pose proof (everyEvent_all _ (everyState_all _ (everyMode_all _ H m) s) e) as F; cbv beta in F.
  intros G E I; rewrite G, E, I in F; now apply negb_true_iff.
Qed.

Lemma only_an_approval_releases m s e :
  gated m = true -> isDecision e = true -> fires m s e = true -> released (next m s e) = true ->
  isApproval e = true.
Proof.
  assert (H : everyMode (fun m => everyState (fun s => everyEvent (fun e =>
    implb (gated m && isDecision e && fires m s e && released (next m s e)) (isApproval e)))) = true)
    by computed.
  pose proof (everyEvent_all _ (everyState_all _ (everyMode_all _ H m) s) e) as F; cbv beta in F.
  intros G D I R; now rewrite G, D, I, R in F.
Qed.

Lemma no_other_event_releases m s e :
  gated m = true -> isDecision e = false -> released (next m s e) = true -> released s = true.
Proof.
  assert (H : everyMode (fun m => everyState (fun s => everyEvent (fun e =>
    implb (gated m && negb (isDecision e) && released (next m s e)) (released s)))) = true)
    by computed.
  pose proof (everyEvent_all _ (everyState_all _ (everyMode_all _ H m) s) e) as F; cbv beta in F.
  intros G D R; now rewrite G, D, R in F.
Qed.

Lemma what_is_sent_is_released s : isSending s = true -> released s = true.
Proof.
  assert (H : everyState (fun s => implb (isSending s) (released s)) = true) by computed.
  pose proof (everyState_all _ H s) as F; cbv beta in F; intros S; now rewrite S in F.
Qed.

(* A message whose release and whose departure an approval covers. *)
Definition Sound (m : Message) : Prop :=
  (gated (mode m) = true -> released (state m) = true ->
    approved (decided m) (decision m) (content m) = true) /\
  (gated (mode m) = true -> left_ m = true ->
    approved (leftDecided m) (leftDecision m) (leftContent m) = true).

Lemma change_is_sound w k m n : Change w k m n -> Sound m -> Sound n.
Proof.
  intros C [R L]; destruct C; split; cbn; intros G H'; try discriminate; auto.
  - now rewrite (gated_mail_is_held _ _ G) in H'.
  - now rewrite (edited_mail_is_held _ _ _ G H0 H1) in H'.
  - unfold approved; cbn.
    rewrite (only_an_approval_releases _ _ _ G H0 H1 H'), H3, H5; subst.
    now rewrite Nat.eqb_refl.
  - apply R; auto; now apply no_other_event_releases with (mode m) e.
Qed.

Lemma work_is_sound m n : Work m n -> Sound m -> Sound n.
Proof.
  intros W [R L]; destruct W; split; cbn; intros G H'; auto.
  - apply R; auto; now apply no_other_event_releases with (mode m) e.
  - apply R; auto; now apply what_is_sent_is_released.
Qed.

Lemma put_keeps {A} (f : nat -> A) n v (P : A -> Prop) :
  (forall i, P (f i)) -> P v -> forall i, P (put f n v i).
Proof. intros; unfold put; now destruct (i =? n). Qed.

Lemma put_relates {A} (f : nat -> A) n v (R : A -> A -> Prop) :
  (forall a, R a a) -> R (f n) v -> forall i, R (f i) (put f n v i).
Proof. intros; unfold put; destruct (i =? n) eqn:E; auto; apply Nat.eqb_eq in E; now subst. Qed.

Lemma act_is_sound v w k :
  Act v k w -> (forall n, Sound (messages v n)) -> forall n, Sound (messages w n).
Proof.
  intros A S; destruct A; cbn; auto; apply put_keeps; auto; eapply change_is_sound; eauto.
Qed.

Theorem steps_are_sound v w :
  Steps v w -> (forall n, Sound (messages v n)) -> forall n, Sound (messages w n).
Proof.
  induction 1; intros S; cbn; auto.
  - eapply act_is_sound; eauto.
  - apply put_keeps; auto; eapply work_is_sound; eauto.
Qed.

Theorem nothing_leaves_without_approval v w n :
  Empty v -> Steps v w -> gated (mode (messages w n)) = true -> left_ (messages w n) = true ->
  approved (leftDecided (messages w n)) (leftDecision (messages w n))
    (leftContent (messages w n)) = true.
Proof.
  intros E S; apply (steps_are_sound v w S); intros i.
  split; intros G X; [rewrite (held v E i) in X | rewrite (here v E i) in X]; discriminate.
Qed.

(* 2. No holder of send approves anything, by any sequence of key changes; none gains oversight from
   send. *)

Theorem no_holder_of_send_decides w k m n :
  Change w k m n -> Scopes_send (scopes (keys w k)) = true ->
  decided n = false \/ (decided n = decided m /\ decision n = decision m).
Proof.
  intros C S; destruct C; cbn; auto.
  match goal with A : approver _ = true |- _ =>
    apply approver_holds_oversight_and_no_send in A; rewrite S, andb_false_r in A end.
  discriminate.
Qed.

Lemma send_grants_neither_oversight_nor_admin a b :
  grantable a b = true -> Scopes_send a = true ->
  negb (Scopes_oversight b) && negb (Scopes_admin b) = true.
Proof.
  assert (H : everyScopes (fun a => everyScopes (fun b => implb (grantable a b && Scopes_send a)
    (negb (Scopes_oversight b) && negb (Scopes_admin b)))) = true) by computed.
  pose proof (everyScopes_all _ (everyScopes_all _ H a) b) as F; cbv beta in F.
  intros G S; now rewrite G, S in F.
Qed.

Lemma who_grants_holds_admin s : may Operation_grant s = true -> Scopes_admin s = true.
Proof.
  assert (H : everyScopes (fun s => implb (may Operation_grant s) (Scopes_admin s)) = true)
    by computed.
  pose proof (everyScopes_all _ H s) as F; cbv beta in F; intros M; now rewrite M in F.
Qed.

Definition Harmless (k : Key) : Prop :=
  fromSend k = true -> negb (Scopes_oversight (scopes k)) && negb (Scopes_admin (scopes k)) = true.

Lemma act_keeps_keys_harmless v w k :
  Act v k w -> (forall i, Harmless (keys v i)) -> forall i, Harmless (keys w i).
Proof.
  intros A S; destruct A; cbn; auto; apply put_keeps; auto.
  - unfold Harmless; cbn; intros F; apply orb_true_iff in F; destruct F as [F | F].
    + now apply send_grants_neither_oversight_nor_admin with (scopes (keys v k)).
    + split_bools; apply S in F.
      match goal with M : may Operation_grant _ = true |- _ =>
        rewrite (who_grants_holds_admin _ M), andb_false_r in F end.
      discriminate.
  - exact (S n).
Qed.

Theorem none_gains_oversight_from_send v w k :
  Empty v -> Steps v w -> fromSend (keys w k) = true ->
  Scopes_oversight (scopes (keys w k)) = false.
Proof.
  intros E S F.
  assert (H : forall i, Harmless (keys w i)).
  { assert (B : forall i, Harmless (keys v i)).
    { intros i X; rewrite (original v E i) in X; discriminate. }
    clear E F; induction S; cbn; auto; eapply act_keeps_keys_harmless; eauto. }
  specialize (H k F); apply andb_true_iff in H; now apply negb_true_iff.
Qed.

(* 3. A key bound to a mailbox reads and changes nothing of another. *)

Definition BoundTo (w : World) (k b : nat) : Prop :=
  bound (keys w k) = true /\ key_mailbox (keys w k) = b.

Lemma bound_key_sees_its_mailbox w k b i :
  BoundTo w k b -> sees (keys w k) i = true -> i = b.
Proof.
  unfold sees; intros [B M] S; rewrite B in S; apply Nat.eqb_eq in S; congruence.
Qed.

Definition Within (b : nat) (m n : Message) : Prop := n = m \/ mailbox n = b.

Lemma bound_key_changes_its_mailbox_only w k b m n :
  BoundTo w k b -> Change w k m n -> Within b m n.
Proof.
  intros B C; right; destruct C; cbn; split_bools; eapply bound_key_sees_its_mailbox; eauto.
Qed.

Theorem no_message_of_another_mailbox_changes v w k b n :
  BoundTo v k b -> Act v k w -> Within b (messages v n) (messages w n).
Proof.
  intros B A; destruct A; cbn; try now left.
  apply put_relates; [now left | eapply bound_key_changes_its_mailbox_only; eauto].
Qed.

Theorem a_bound_key_reads_its_mailbox_only w k b m :
  BoundTo w k b -> touches Operation_read (keys w k) (mailbox m) = true -> mailbox m = b.
Proof. intros B T; split_bools; eapply bound_key_sees_its_mailbox; eauto. Qed.

(* 4. A mode is loosened only with a code that a reviewer passed on, and a message never. *)

Lemma who_reads_codes_holds_oversight s :
  may Operation_read_code s = true -> Scopes_oversight s = true.
Proof.
  assert (H : everyScopes (fun s => implb (may Operation_read_code s) (Scopes_oversight s)) = true)
    by computed.
  pose proof (everyScopes_all _ H s) as F; cbv beta in F; intros M; now rewrite M in F.
Qed.

Definition Proper (c : Code) : Prop := given c = true -> Scopes_oversight (givenBy c) = true.

Lemma act_keeps_codes_proper v w k :
  Act v k w -> (forall c, Proper (codes v c)) -> forall c, Proper (codes w c).
Proof.
  intros A S; destruct A; cbn; auto; apply put_keeps; auto; unfold Proper; cbn; try discriminate.
  - intros _; split_bools; now apply who_reads_codes_holds_oversight.
  - intros _; now apply S.
Qed.

Definition Permitted (w : World) (b : nat) (m : Mode) : Prop := exists c,
  code_mailbox (codes w c) = b /\ code_mode (codes w c) = m /\ given (codes w c) = true /\
  used (codes w c) = false.

Lemma no_mode_is_looser_than_itself m : looser m m = false.
Proof. now destruct m. Qed.

Lemma a_free_mode_is_looser a b : free a = false -> free b = true -> looser b a = true.
Proof.
  assert (H : everyMode (fun a => everyMode (fun b => implb (negb (free a) && free b) (looser b a)))
    = true) by computed.
  pose proof (everyMode_all _ (everyMode_all _ H a) b) as F.
  cbv beta in F; intros G N; now rewrite G, N in F.
Qed.

Theorem only_a_code_loosens_a_mode v w k b :
  Act v k w -> looser (modes w b) (modes v b) = true -> Permitted v b (modes w b).
Proof.
  intros A; destruct A; cbn; try (rewrite no_mode_is_looser_than_itself; discriminate).
  - unfold put; destruct (b =? b0) eqn:E.
    + apply Nat.eqb_eq in E; subst; intros; congruence.
    + rewrite no_mode_is_looser_than_itself; discriminate.
  - unfold put; destruct (b =? code_mailbox (codes v c)) eqn:E.
    + apply Nat.eqb_eq in E; intros _; now exists c.
    + rewrite no_mode_is_looser_than_itself; discriminate.
Qed.

Theorem a_looser_mode_takes_a_code_from_oversight u v w k b :
  Empty u -> Steps u v -> Act v k w -> looser (modes w b) (modes v b) = true ->
  exists c, code_mailbox (codes v c) = b /\ Scopes_oversight (givenBy (codes v c)) = true.
Proof.
  intros E S A L; destruct (only_a_code_loosens_a_mode v w k b A L) as (c & B & _ & G & _).
  exists c; split; auto; clear A L.
  assert (H : forall c, Proper (codes v c)); [| now apply H].
  assert (P : forall c, Proper (codes u c)).
  { intros i X; rewrite (unread u E i) in X; discriminate. }
  clear E G B; induction S; cbn; auto; eapply act_keeps_codes_proper; eauto.
Qed.

Theorem the_mode_of_a_message_is_frozen w k m n :
  Change w k m n -> born m = true -> mode n = mode m.
Proof. intros C B; destruct C; cbn; auto; congruence. Qed.

(* 5. What is rejected, cancelled or expired never leaves afterwards, whatever crashes. *)

Lemma over_stays_over m s e : over s = true -> over (next m s e) = true.
Proof.
  assert (H : everyMode (fun m => everyState (fun s => everyEvent (fun e =>
    implb (over s) (over (next m s e))))) = true) by computed.
  pose proof (everyEvent_all _ (everyState_all _ (everyMode_all _ H m) s) e) as F; cbv beta in F.
  intros O; now rewrite O in F.
Qed.

Lemma what_is_over_is_not_sent s : over s = true -> isSending s = false.
Proof.
  assert (H : everyState (fun s => implb (over s) (negb (isSending s))) = true) by computed.
  pose proof (everyState_all _ H s) as F; cbv beta in F; intros O; rewrite O in F.
  now apply negb_true_iff.
Qed.

Definition Ended (m n : Message) : Prop :=
  born n = true /\ over (state n) = true /\ left_ n = left_ m.

Lemma change_keeps_ended w k start m n : Change w k m n -> Ended start m -> Ended start n.
Proof.
  intros C (B & O & L); destruct C; unfold Ended; cbn; try congruence;
    repeat split; auto; now apply over_stays_over.
Qed.

Lemma work_keeps_ended start m n : Work m n -> Ended start m -> Ended start n.
Proof.
  intros W (B & O & L); destruct W; unfold Ended; cbn; repeat split; auto.
  - now apply over_stays_over.
  - rewrite (what_is_over_is_not_sent _ O) in *; discriminate.
Qed.

Lemma act_keeps_ended v w k n start :
  Act v k w -> Ended start (messages v n) -> Ended start (messages w n).
Proof.
  intros A; destruct A; cbn; auto.
  apply (put_relates (messages v) n0 m (fun a b => Ended start a -> Ended start b)); auto.
  intros E; eapply change_keeps_ended; eauto.
Qed.

Theorem what_is_over_never_leaves v w n :
  born (messages v n) = true -> over (state (messages v n)) = true -> Steps v w ->
  left_ (messages w n) = left_ (messages v n).
Proof.
  intros B O S; enough (H : Ended (messages v n) (messages w n)) by apply H.
  assert (I : Ended (messages v n) (messages v n)) by (now repeat split).
  revert I; generalize (messages v n) at 1 3 as start; clear B O.
  induction S; intros start I; auto.
  - eapply act_keeps_ended; eauto.
  - cbn; apply (put_relates (messages v) n0 m (fun a b => Ended start a -> Ended start b)); auto.
    intros E; eapply work_keeps_ended; eauto.
Qed.

(* 6. The guard: unproven mail causes nothing alone, a worse message never loosens a decision,
   findings only tighten it, and taint never shrinks. *)

Theorem unproven_mail_never_acts_alone p k t :
  guarded p = true -> reaches k = true -> believable t = false -> isAllow (action p k t) = false.
Proof.
  assert (H : everyPolicy (fun p => everyKind (fun k => everyTier (fun t =>
    implb (guarded p && (reaches k && negb (believable t))) (negb (isAllow (action p k t)))))) = true)
    by computed.
  pose proof (everyTier_all _ (everyKind_all _ (everyPolicy_all _ H p) k) t) as F.
  cbv beta in F; intros G R U; rewrite G, R, U in F; now destruct (isAllow _).
Qed.

Theorem an_address_from_mail_is_never_reached_alone p t :
  guarded p = true -> isAllow (action p Kind_introduce t) = false.
Proof.
  assert (H : everyPolicy (fun p => everyTier (fun t =>
    implb (guarded p) (negb (isAllow (action p Kind_introduce t))))) = true) by computed.
  pose proof (everyTier_all _ (everyPolicy_all _ H p) t) as F.
  cbv beta in F; intros G; rewrite G in F; now destruct (isAllow _).
Qed.

Theorem strict_is_never_looser k t :
  noLaterAction (action Policy_standard k t) (action Policy_strict k t) = true.
Proof.
  assert (H : everyKind (fun k => everyTier (fun t =>
    noLaterAction (action Policy_standard k t) (action Policy_strict k t))) = true) by computed.
  exact (everyTier_all _ (everyKind_all _ H k) t).
Qed.

Lemma a_worse_tier_never_loosens p k a b :
  noLaterTier a b = true -> noLaterAction (action p k a) (action p k b) = true.
Proof.
  assert (H : everyPolicy (fun p => everyKind (fun k => everyTier (fun a => everyTier (fun b =>
    implb (noLaterTier a b) (noLaterAction (action p k a) (action p k b)))))) = true) by computed.
  pose proof (everyTier_all _ (everyTier_all _ (everyKind_all _ (everyPolicy_all _ H p) k) a) b) as F.
  cbv beta in F; intros O; now rewrite O in F.
Qed.

Theorem a_worse_tier_is_never_shown_more p a b :
  noLaterTier a b = true -> noLaterTreatment (treatment p a) (treatment p b) = true.
Proof.
  assert (H : everyPolicy (fun p => everyTier (fun a => everyTier (fun b =>
    implb (noLaterTier a b) (noLaterTreatment (treatment p a) (treatment p b))))) = true) by computed.
  pose proof (everyTier_all _ (everyTier_all _ (everyPolicy_all _ H p) a) b) as F.
  cbv beta in F; intros O; now rewrite O in F.
Qed.

Theorem forged_mail_is_withheld p :
  guarded p = true -> isWithheld (treatment p Tier_failed) = true.
Proof.
  assert (H : everyPolicy (fun p => implb (guarded p) (isWithheld (treatment p Tier_failed))) = true)
    by computed.
  pose proof (everyPolicy_all _ H p) as F; cbv beta in F; intros G; now rewrite G in F.
Qed.

Lemma a_worse_label_is_no_better_tier s a b :
  noLaterLabel a b = true -> noLaterTier (tier a s) (tier b s) = true.
Proof.
  assert (H : everyStanding (fun s => everyLabel (fun a => everyLabel (fun b =>
    implb (noLaterLabel a b) (noLaterTier (tier a s) (tier b s))))) = true) by computed.
  pose proof (everyLabel_all _ (everyLabel_all _ (everyStanding_all _ H s) a) b) as F.
  cbv beta in F; intros O; now rewrite O in F.
Qed.

Theorem a_worse_label_never_loosens p k s a b :
  noLaterLabel a b = true -> noLaterAction (action p k (tier a s)) (action p k (tier b s)) = true.
Proof. intros; now apply a_worse_tier_never_loosens, a_worse_label_is_no_better_tier. Qed.

Theorem a_finding_never_loosens a b :
  noLaterAction a (strictest a b) && noLaterAction b (strictest a b) = true.
Proof.
  assert (H : everyAction (fun a => everyAction (fun b =>
    noLaterAction a (strictest a b) && noLaterAction b (strictest a b))) = true) by computed.
  exact (everyAction_all _ (everyAction_all _ H a) b).
Qed.

Theorem taint_never_shrinks a b s t :
  noLaterTier (tier a s) (merged a s b t) && noLaterTier (tier b t) (merged a s b t) = true.
Proof.
  assert (H : everyLabel (fun a => everyStanding (fun s => everyLabel (fun b => everyStanding (fun t =>
    noLaterTier (tier a s) (merged a s b t) && noLaterTier (tier b t) (merged a s b t))))) = true)
    by computed.
  exact (everyStanding_all _ (everyLabel_all _ (everyStanding_all _ (everyLabel_all _ H a) s) b) t).
Qed.
