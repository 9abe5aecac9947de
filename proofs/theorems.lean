/-! ## 1. Nothing leaves a gated mailbox without a decision of a principal that holds `oversight` and
no `send`, on the content that leaves, before its expiry. -/

def approved (decided : Bool) (d : Decision) (content : Nat) : Bool :=
  both decided (both d.approves (both (approver d.approver)
    (both (same d.content content) (not (Nat.ble d.deadline d.time)))))

theorem approver_holds_oversight_and_no_send (s : Scopes) (h : Holds (approver s)) :
    Holds (both s.oversight (not s.send)) :=
  apply _ _ (everyScopes_all (fun s => implies (approver s) (both s.oversight (not s.send))) .intro s) h

theorem gated_mail_is_held (m : Mode) (e : Event) (g : Holds (gated m))
    (r : Holds (released (next m .pending_scan e))) : False :=
  absurd _ r (apply _ _ (everyEvent_all (fun e => implies (gated m) (not (released (next m .pending_scan e))))
    (everyMode_all (fun m => everyEvent (fun e =>
      implies (gated m) (not (released (next m .pending_scan e))))) .intro m) e) g)

theorem edited_mail_is_held (m : Mode) (s : State) (e : Event) (g : Holds (gated m))
    (edit : Holds (isEdit e)) (f : Holds (fires m s e)) (r : Holds (released (next m s e))) : False :=
  absurd _ r (apply _ _ (everyEvent_all
    (fun e => implies (both (gated m) (both (isEdit e) (fires m s e))) (not (released (next m s e))))
    (everyState_all (fun s => everyEvent (fun e =>
        implies (both (gated m) (both (isEdit e) (fires m s e))) (not (released (next m s e)))))
      (everyMode_all (fun m => everyState (fun s => everyEvent (fun e =>
        implies (both (gated m) (both (isEdit e) (fires m s e))) (not (released (next m s e))))))
        .intro m) s) e)
    (join _ _ g (join _ _ edit f)))

theorem only_an_approval_releases (m : Mode) (s : State) (e : Event) (g : Holds (gated m))
    (d : Holds (isDecision e)) (f : Holds (fires m s e)) (r : Holds (released (next m s e))) :
    Holds (isApproval e) :=
  apply _ _ (everyEvent_all
    (fun e => implies (both (gated m) (both (isDecision e) (both (fires m s e) (released (next m s e)))))
      (isApproval e))
    (everyState_all (fun s => everyEvent (fun e =>
        implies (both (gated m) (both (isDecision e) (both (fires m s e) (released (next m s e)))))
          (isApproval e)))
      (everyMode_all (fun m => everyState (fun s => everyEvent (fun e =>
        implies (both (gated m) (both (isDecision e) (both (fires m s e) (released (next m s e)))))
          (isApproval e))))
        .intro m) s) e)
    (join _ _ g (join _ _ d (join _ _ f r)))

theorem no_other_event_releases (m : Mode) (s : State) (e : Event) (g : Holds (gated m))
    (d : Holds (not (isDecision e))) (r : Holds (released (next m s e))) : Holds (released s) :=
  apply _ _ (everyEvent_all
    (fun e => implies (both (gated m) (both (not (isDecision e)) (released (next m s e)))) (released s))
    (everyState_all (fun s => everyEvent (fun e =>
        implies (both (gated m) (both (not (isDecision e)) (released (next m s e)))) (released s)))
      (everyMode_all (fun m => everyState (fun s => everyEvent (fun e =>
        implies (both (gated m) (both (not (isDecision e)) (released (next m s e)))) (released s))))
        .intro m) s) e)
    (join _ _ g (join _ _ d r))

theorem what_is_sent_is_released (s : State) (h : Holds (isSending s)) : Holds (released s) :=
  apply _ _ (everyState_all (fun s => implies (isSending s) (released s)) .intro s) h

/-- A message whose release and whose departure an approval covers. -/
structure Sound (m : Message) : Prop where
  release : Holds (gated m.mode) → Holds (released m.state) →
    Holds (approved m.decided m.decision m.content)
  departure : Holds (gated m.mode) → Holds m.left →
    Holds (approved m.leftDecided m.leftDecision m.leftContent)

theorem change_is_sound (w : World) (k : Nat) (m n : Message) :
    Change w k m n → Sound m → Sound n
  | .send _ _ _ mode e _ _ _ _, _ =>
    ⟨fun g r => (gated_mail_is_held mode e g r).elim, fun _ h => nomatch h⟩
  | .edit _ _ _ e m _ edit f _, s =>
    ⟨fun g r => (edited_mail_is_held m.mode m.state e g edit f r).elim, s.departure⟩
  | .decide _ e m _ d f _ who seen inTime, s =>
    ⟨fun g r => join _ _ .intro (join _ _ (only_an_approval_releases m.mode m.state e g d f r)
      (join _ _ who (join _ _ seen inTime))), s.departure⟩
  | .event _ _ e m _ d _ _, s =>
    ⟨fun g r => s.release g (no_other_event_releases m.mode m.state e g d r), s.departure⟩

theorem work_is_sound (m n : Message) : Work m n → Sound m → Sound n
  | .event _ e m _ d _, s =>
    ⟨fun g r => s.release g (no_other_event_releases m.mode m.state e g d r), s.departure⟩
  | .handOver m _ sending, s =>
    ⟨s.release, fun g _ => s.release g (what_is_sent_is_released m.state sending)⟩

theorem act_is_sound (v w : World) (k : Nat) :
    Act v k w → ((n : Nat) → Sound (v.message n)) → (n : Nat) → Sound (w.message n)
  | .message n m c, s => put_keeps v.message n m Sound s (change_is_sound v k _ m c (s n))
  | .grant .., s => s
  | .revoke .., s => s
  | .setMode .., s => s
  | .requestCode .., s => s
  | .readCode .., s => s
  | .redeem .., s => s

theorem steps_are_sound (v : World) (start : (n : Nat) → Sound (v.message n)) (w : World) :
    Steps v w → (n : Nat) → Sound (w.message n)
  | .none _ => start
  | .act _ u _ k before act => act_is_sound u w k act (steps_are_sound v start u before)
  | .work _ u n m before work =>
    have s := steps_are_sound v start u before
    put_keeps u.message n m Sound s (work_is_sound _ m work (s n))
  | .tick _ u _ before _ => steps_are_sound v start u before
  | .crash _ _ before => steps_are_sound v start w before

theorem nothing_leaves_without_approval (v w : World) (empty : Empty v) (steps : Steps v w) (n : Nat)
    (g : Holds (gated (w.message n).mode)) (left : Holds (w.message n).left) :
    Holds (approved (w.message n).leftDecided (w.message n).leftDecision (w.message n).leftContent) :=
  (steps_are_sound v (fun n => ⟨fun _ r => absurd _ r (empty.held n), fun _ l => absurd _ l (empty.here n)⟩)
    w steps n).departure g left

/-! ## 2. No holder of `send` approves anything, by any sequence of key changes; none gains `oversight`
from `send`. -/

theorem no_holder_of_send_decides (w : World) (k : Nat) (m n : Message)
    (c : Change w k m n) (sender : Holds (w.key k).scopes.send) :
    Or (Holds (not n.decided)) (And (Eq n.decided m.decided) (Eq n.decision m.decision)) :=
  match c with
  | .send .. => .inl .intro
  | .edit .. => .inl .intro
  | .decide _ _ _ _ _ _ _ who _ _ =>
    absurd _ sender (second _ _ (approver_holds_oversight_and_no_send _ who))
  | .event .. => .inr ⟨rfl, rfl⟩

theorem send_grants_neither_oversight_nor_admin (a b : Scopes) (h : Holds (grantable a b))
    (s : Holds a.send) : Holds (both (not b.oversight) (not b.admin)) :=
  apply _ _ (everyScopes_all
    (fun b => implies (both (grantable a b) a.send) (both (not b.oversight) (not b.admin)))
    (everyScopes_all (fun a => everyScopes (fun b =>
      implies (both (grantable a b) a.send) (both (not b.oversight) (not b.admin)))) .intro a) b)
    (join _ _ h s)

theorem who_grants_holds_admin (s : Scopes) (h : Holds (may .grant s)) : Holds s.admin :=
  apply _ _ (everyScopes_all (fun s => implies (may .grant s) s.admin) .intro s) h

def Harmless (k : Key) : Prop :=
  Holds k.fromSend → Holds (both (not k.scopes.oversight) (not k.scopes.admin))

theorem either_elim : {p : Prop} → (a b : Bool) → Holds (either a b) → (Holds a → p) → (Holds b → p) → p
  | _, .true, _, _, f, _ => f .intro
  | _, .false, _, h, _, g => g h

theorem act_keeps_keys_harmless (v w : World) (k : Nat) :
    Act v k w → ((i : Nat) → Harmless (v.key i)) → (i : Nat) → Harmless (w.key i)
  | .grant n scopes _ _ c g, s => put_keeps v.key n _ Harmless s (fun h =>
      either_elim _ _ h (send_grants_neither_oversight_nor_admin _ scopes g)
        (fun f => absurd _ (who_grants_holds_admin _ (second _ _ c)) (second _ _ (s k f))))
  | .revoke n _, s => put_keeps v.key n _ Harmless s (s n)
  | .message .., s => s
  | .setMode .., s => s
  | .requestCode .., s => s
  | .readCode .., s => s
  | .redeem .., s => s

theorem steps_keep_keys_harmless (v : World) (start : (k : Nat) → Harmless (v.key k)) (w : World) :
    Steps v w → (k : Nat) → Harmless (w.key k)
  | .none _ => start
  | .act _ u _ k before act => act_keeps_keys_harmless u w k act (steps_keep_keys_harmless v start u before)
  | .work _ u _ _ before _ => steps_keep_keys_harmless v start u before
  | .tick _ u _ before _ => steps_keep_keys_harmless v start u before
  | .crash _ _ before => steps_keep_keys_harmless v start w before

theorem none_gains_oversight_from_send (v w : World) (empty : Empty v) (steps : Steps v w) (k : Nat)
    (h : Holds (w.key k).fromSend) : Holds (not (w.key k).scopes.oversight) :=
  first _ _ (steps_keep_keys_harmless v (fun k f => absurd _ f (empty.first k)) w steps k h)

/-! ## 3. A key bound to a mailbox reads and changes nothing of another. -/

def BoundTo (w : World) (k mailbox : Nat) : Prop :=
  And (Holds (w.key k).bound) (Eq (w.key k).mailbox mailbox)

theorem bound_key_sees_its_mailbox (w : World) (k b mailbox : Nat) (bound : BoundTo w k b)
    (h : Holds (sees (w.key k) mailbox)) : Eq mailbox b :=
  bound.right.rec (motive := fun b _ => Eq mailbox b) (eq_of_same _ _ (apply _ _ h bound.left)).symm

/-- It is unchanged, or it is of the key's mailbox. -/
def Within (b : Nat) (m n : Message) : Prop := Or (Eq n m) (Eq n.mailbox b)

theorem bound_key_changes_its_mailbox_only (w : World) (k b : Nat) (m n : Message)
    (bound : BoundTo w k b) (c : Change w k m n) : Within b m n :=
  match c with
  | .send mailbox _ _ _ _ _ t _ _ => .inr (bound_key_sees_its_mailbox w k b mailbox bound (second _ _ t))
  | .edit _ _ _ _ m _ _ _ t => .inr (bound_key_sees_its_mailbox w k b m.mailbox bound (second _ _ t))
  | .decide _ _ m _ _ _ t _ _ _ => .inr (bound_key_sees_its_mailbox w k b m.mailbox bound (second _ _ t))
  | .event _ _ _ m _ _ _ t => .inr (bound_key_sees_its_mailbox w k b m.mailbox bound (second _ _ t))

theorem no_message_of_another_mailbox_changes (v w : World) (k b : Nat) (bound : BoundTo v k b)
    (s : Act v k w) (n : Nat) : Within b (v.message n) (w.message n) :=
  match s with
  | .message n' m c => put_relates v.message n' m (Within b) (fun _ => .inl rfl)
      (bound_key_changes_its_mailbox_only v k b _ m bound c) n
  | .grant .. => .inl rfl
  | .revoke .. => .inl rfl
  | .setMode .. => .inl rfl
  | .requestCode .. => .inl rfl
  | .readCode .. => .inl rfl
  | .redeem .. => .inl rfl

theorem a_bound_key_reads_its_mailbox_only (w : World) (k b : Nat) (m : Message)
    (bound : BoundTo w k b) (r : Holds (touches .read (w.key k) m.mailbox)) : Eq m.mailbox b :=
  bound_key_sees_its_mailbox w k b m.mailbox bound (second _ _ r)

/-! ## 4. A mode is loosened only with a code that a reviewer passed on, and a message never. -/

theorem who_reads_codes_holds_oversight (s : Scopes) (h : Holds (may .read_code s)) : Holds s.oversight :=
  apply _ _ (everyScopes_all (fun s => implies (may .read_code s) s.oversight) .intro s) h

/-- The code was read by a holder of `oversight`, if it was read. -/
def Proper (c : Code) : Prop := Holds c.given → Holds c.givenBy.oversight

theorem act_keeps_codes_proper (v w : World) (k : Nat) :
    Act v k w → ((c : Nat) → Proper (v.code c)) → (c : Nat) → Proper (w.code c)
  | .requestCode _ c .., s => put_keeps v.code c _ Proper s (fun h => nomatch h)
  | .readCode c t, s => put_keeps v.code c _ Proper s (fun _ =>
      who_reads_codes_holds_oversight _ (second _ _ (first _ _ t)))
  | .redeem c .., s => put_keeps v.code c _ Proper s (s c)
  | .message .., s => s
  | .grant .., s => s
  | .revoke .., s => s
  | .setMode .., s => s

theorem steps_keep_codes_proper (v : World) (start : (c : Nat) → Proper (v.code c)) (w : World) :
    Steps v w → (c : Nat) → Proper (w.code c)
  | .none _ => start
  | .act _ u _ k before act => act_keeps_codes_proper u w k act (steps_keep_codes_proper v start u before)
  | .work _ u _ _ before _ => steps_keep_codes_proper v start u before
  | .tick _ u _ before _ => steps_keep_codes_proper v start u before
  | .crash _ _ before => steps_keep_codes_proper v start w before

/-- There is an unused code for this mailbox and this mode, and a reviewer read it. -/
def Permitted (w : World) (b : Nat) (mode : Mode) : Prop :=
  Exists (fun c => And (Eq (w.code c).mailbox b) (And (Eq (w.code c).mode mode)
    (And (Holds (w.code c).given) (Holds (not (w.code c).used)))))

theorem no_mode_is_looser_than_itself (m : Mode) (h : Holds (looser m m)) : False :=
  absurd _ h (everyMode_all (fun m => not (looser m m)) .intro m)

theorem redeeming_is_permitted (v : World) (c b : Nat) (given : Holds (v.code c).given)
    (unused : Holds (not (v.code c).used)) :
    Holds (looser (put v.mode (v.code c).mailbox (v.code c).mode b) (v.mode b)) →
    Permitted v b (put v.mode (v.code c).mailbox (v.code c).mode b) :=
  (same b (v.code c).mailbox).rec
    (motive := fun x => (Holds x → Eq b (v.code c).mailbox) →
      Holds (looser (cond x (v.code c).mode (v.mode b)) (v.mode b)) →
      Permitted v b (cond x (v.code c).mode (v.mode b)))
    (fun _ h => (no_mode_is_looser_than_itself _ h).elim)
    (fun e _ => ⟨c, ⟨(e .intro).symm, ⟨rfl, ⟨given, unused⟩⟩⟩⟩)
    (eq_of_same b _)

theorem setting_a_mode_never_loosens (v : World) (b n : Nat) (mode : Mode)
    (tighter : Holds (not (looser mode (v.mode n)))) :
    Holds (looser (put v.mode n mode b) (v.mode b)) → False :=
  (same b n).rec
    (motive := fun x => (Holds x → Eq b n) → Holds (looser (cond x mode (v.mode b)) (v.mode b)) → False)
    (fun _ h => no_mode_is_looser_than_itself _ h)
    (fun e h => absurd _ ((e .intro).rec (motive := fun n _ => Holds (looser mode (v.mode n)))
      h) tighter)
    (eq_of_same b n)

theorem a_free_mode_is_looser (a b : Mode) (h : Holds (not (free a))) (f : Holds (free b)) :
    Holds (looser b a) :=
  apply _ _ (everyMode_all (fun b => implies (both (not (free a)) (free b)) (looser b a))
    (everyMode_all (fun a => everyMode (fun b =>
      implies (both (not (free a)) (free b)) (looser b a))) .intro a) b) (join _ _ h f)

/-- A step of any key that loosens the mode of a mailbox uses up a code for it. -/
theorem only_a_code_loosens_a_mode (v w : World) (k b : Nat) :
    Act v k w → Holds (looser (w.mode b) (v.mode b)) → Permitted v b (w.mode b)
  | .redeem c _ given unused, l => redeeming_is_permitted v c b given unused l
  | .setMode n mode _ tighter, l => (setting_a_mode_never_loosens v b n mode tighter l).elim
  | .message .., l => (no_mode_is_looser_than_itself _ l).elim
  | .grant .., l => (no_mode_is_looser_than_itself _ l).elim
  | .revoke .., l => (no_mode_is_looser_than_itself _ l).elim
  | .requestCode .., l => (no_mode_is_looser_than_itself _ l).elim
  | .readCode .., l => (no_mode_is_looser_than_itself _ l).elim

theorem a_looser_mode_takes_a_code_from_oversight (u v w : World) (empty : Empty u)
    (before : Steps u v) (k b : Nat) (act : Act v k w) (l : Holds (looser (w.mode b) (v.mode b))) :
    Exists (fun c => And (Eq (v.code c).mailbox b) (Holds (v.code c).givenBy.oversight)) :=
  match only_a_code_loosens_a_mode v w k b act l with
  | ⟨c, ⟨here, ⟨_, ⟨given, _⟩⟩⟩⟩ => ⟨c, ⟨here, steps_keep_codes_proper u
      (fun c g => absurd _ g (empty.unread c)) v before c given⟩⟩

theorem the_mode_of_a_message_is_frozen (w : World) (k : Nat) (m n : Message) (c : Change w k m n)
    (born : Holds m.born) : Eq n.mode m.mode :=
  match c with
  | .send _ _ _ _ _ _ _ _ unborn => absurd _ born unborn
  | .edit .. => rfl
  | .decide .. => rfl
  | .event .. => rfl

/-! ## 5. What is rejected, cancelled or expired never leaves afterwards, whatever crashes. -/

theorem over_stays_over (m : Mode) (s : State) (e : Event) (h : Holds (over s)) :
    Holds (over (next m s e)) :=
  apply _ _ (everyEvent_all (fun e => implies (over s) (over (next m s e)))
    (everyState_all (fun s => everyEvent (fun e => implies (over s) (over (next m s e))))
      (everyMode_all (fun m => everyState (fun s => everyEvent (fun e =>
        implies (over s) (over (next m s e))))) .intro m) s) e) h

theorem what_is_over_is_not_sent (s : State) (h : Holds (over s)) (sending : Holds (isSending s)) : False :=
  absurd _ sending (apply _ _ (everyState_all (fun s => implies (over s) (not (isSending s))) .intro s) h)

/-- It is over, and has left no more than before. -/
structure Ended (m n : Message) : Prop where
  born : Holds n.born
  over : Holds (over n.state)
  left : Eq n.left m.left

theorem change_keeps_ended (w : World) (k : Nat) (start m n : Message) :
    Change w k m n → Ended start m → Ended start n
  | .send _ _ _ _ _ _ _ _ unborn, s => absurd _ s.born unborn
  | .edit _ _ _ e m b _ _ _, s => ⟨b, over_stays_over m.mode m.state e s.over, s.left⟩
  | .decide _ e m b _ _ _ _ _ _, s => ⟨b, over_stays_over m.mode m.state e s.over, s.left⟩
  | .event _ _ e m b _ _ _, s => ⟨b, over_stays_over m.mode m.state e s.over, s.left⟩

theorem work_keeps_ended (start m n : Message) : Work m n → Ended start m → Ended start n
  | .event _ e m b _ _, s => ⟨b, over_stays_over m.mode m.state e s.over, s.left⟩
  | .handOver m _ sending, s => (what_is_over_is_not_sent m.state s.over sending).elim

theorem act_keeps_ended (v w : World) (k n : Nat) (start : Message) :
    Act v k w → Ended start (v.message n) → Ended start (w.message n)
  | .message i m c, s => put_relates v.message i m (fun a b => Ended start a → Ended start b)
      (fun _ s => s) (change_keeps_ended v k start _ m c) n s
  | .grant .., s => s
  | .revoke .., s => s
  | .setMode .., s => s
  | .requestCode .., s => s
  | .readCode .., s => s
  | .redeem .., s => s

theorem steps_keep_ended (v : World) (n : Nat) (start : Ended (v.message n) (v.message n)) (w : World) :
    Steps v w → Ended (v.message n) (w.message n)
  | .none _ => start
  | .act _ u _ k before act => act_keeps_ended u w k n _ act (steps_keep_ended v n start u before)
  | .work _ u i m before work =>
    put_relates u.message i m (fun a b => Ended (v.message n) a → Ended (v.message n) b)
      (fun _ s => s) (work_keeps_ended _ _ m work) n (steps_keep_ended v n start u before)
  | .tick _ u _ before _ => steps_keep_ended v n start u before
  | .crash _ _ before => steps_keep_ended v n start w before

theorem what_is_over_never_leaves (v w : World) (n : Nat) (born : Holds (v.message n).born)
    (h : Holds (over (v.message n).state)) (steps : Steps v w) : Eq (w.message n).left (v.message n).left :=
  (steps_keep_ended v n ⟨born, h, rfl⟩ w steps).left

/-! ## 6. The guard: unproven mail causes nothing alone, a worse message never loosens a decision,
findings only tighten it, and taint never shrinks. -/

theorem unproven_mail_never_acts_alone (p : Policy) (k : Kind) (t : Tier) (g : Holds (guarded p))
    (r : Holds (reaches k)) (u : Holds (not (believable t))) : Holds (not (isAllow (action p k t))) :=
  apply _ _ (everyTier_all (fun t =>
      implies (both (guarded p) (both (reaches k) (not (believable t)))) (not (isAllow (action p k t))))
    (everyKind_all (fun k => everyTier (fun t =>
        implies (both (guarded p) (both (reaches k) (not (believable t)))) (not (isAllow (action p k t)))))
      (everyPolicy_all (fun p => everyKind (fun k => everyTier (fun t =>
          implies (both (guarded p) (both (reaches k) (not (believable t))))
            (not (isAllow (action p k t))))))
        .intro p) k) t)
    (join _ _ g (join _ _ r u))

theorem an_address_from_mail_is_never_reached_alone (p : Policy) (t : Tier) (g : Holds (guarded p)) :
    Holds (not (isAllow (action p .introduce t))) :=
  apply _ _ (everyTier_all (fun t => implies (guarded p) (not (isAllow (action p .introduce t))))
    (everyPolicy_all (fun p => everyTier (fun t =>
        implies (guarded p) (not (isAllow (action p .introduce t))))) .intro p) t) g

theorem strict_is_never_looser (k : Kind) (t : Tier) :
    Holds (noLaterAction (action .standard k t) (action .strict k t)) :=
  everyTier_all _ (everyKind_all (fun k => everyTier (fun t =>
    noLaterAction (action .standard k t) (action .strict k t))) .intro k) t

theorem a_worse_tier_never_loosens (p : Policy) (k : Kind) (a b : Tier) (h : Holds (noLaterTier a b)) :
    Holds (noLaterAction (action p k a) (action p k b)) :=
  apply _ _ (everyTier_all (fun b => implies (noLaterTier a b) (noLaterAction (action p k a) (action p k b)))
    (everyTier_all (fun a => everyTier (fun b =>
        implies (noLaterTier a b) (noLaterAction (action p k a) (action p k b))))
      (everyKind_all (fun k => everyTier (fun a => everyTier (fun b =>
          implies (noLaterTier a b) (noLaterAction (action p k a) (action p k b)))))
        (everyPolicy_all (fun p => everyKind (fun k => everyTier (fun a => everyTier (fun b =>
            implies (noLaterTier a b) (noLaterAction (action p k a) (action p k b))))))
          .intro p) k) a) b) h

theorem a_worse_tier_is_never_shown_more (p : Policy) (a b : Tier) (h : Holds (noLaterTier a b)) :
    Holds (noLaterTreatment (treatment p a) (treatment p b)) :=
  apply _ _ (everyTier_all (fun b =>
      implies (noLaterTier a b) (noLaterTreatment (treatment p a) (treatment p b)))
    (everyTier_all (fun a => everyTier (fun b =>
        implies (noLaterTier a b) (noLaterTreatment (treatment p a) (treatment p b))))
      (everyPolicy_all (fun p => everyTier (fun a => everyTier (fun b =>
          implies (noLaterTier a b) (noLaterTreatment (treatment p a) (treatment p b)))))
        .intro p) a) b) h

theorem forged_mail_is_withheld (p : Policy) (g : Holds (guarded p)) :
    Holds (isWithheld (treatment p .failed)) :=
  apply _ _ (everyPolicy_all (fun p => implies (guarded p) (isWithheld (treatment p .failed))) .intro p) g

theorem a_worse_label_is_no_better_tier (s : Standing) (a b : Label) (h : Holds (noLaterLabel a b)) :
    Holds (noLaterTier (tier a s) (tier b s)) :=
  apply _ _ (everyLabel_all (fun b => implies (noLaterLabel a b) (noLaterTier (tier a s) (tier b s)))
    (everyLabel_all (fun a => everyLabel (fun b =>
        implies (noLaterLabel a b) (noLaterTier (tier a s) (tier b s))))
      (everyStanding_all (fun s => everyLabel (fun a => everyLabel (fun b =>
          implies (noLaterLabel a b) (noLaterTier (tier a s) (tier b s))))) .intro s) a) b) h

theorem a_worse_label_never_loosens (p : Policy) (k : Kind) (s : Standing) (a b : Label)
    (h : Holds (noLaterLabel a b)) :
    Holds (noLaterAction (action p k (tier a s)) (action p k (tier b s))) :=
  a_worse_tier_never_loosens p k _ _ (a_worse_label_is_no_better_tier s a b h)

theorem a_finding_never_loosens (a b : Action) :
    Holds (both (noLaterAction a (strictest a b)) (noLaterAction b (strictest a b))) :=
  everyAction_all _ (everyAction_all (fun a => everyAction (fun b =>
    both (noLaterAction a (strictest a b)) (noLaterAction b (strictest a b)))) .intro a) b

theorem taint_never_shrinks (a b : Label) (s t : Standing) :
    Holds (both (noLaterTier (tier a s) (merged a s b t)) (noLaterTier (tier b t) (merged a s b t))) :=
  everyStanding_all _ (everyLabel_all _ (everyStanding_all _ (everyLabel_all
    (fun a => everyStanding (fun s => everyLabel (fun b => everyStanding (fun t =>
      both (noLaterTier (tier a s) (merged a s b t)) (noLaterTier (tier b t) (merged a s b t))))))
    .intro a) s) b) t
