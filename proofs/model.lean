/-! The model: keys, mailboxes and messages, and what can happen to them, in any order.

`Mode`, `State`, `Event`, `Scopes`, `next`, `fires`, `approver`, `grantable`, `looser` and `may` are
generated from the objects that the server executes. -/

structure Key where
  scopes : Scopes
  bound : Bool     -- to one mailbox
  mailbox : Nat    -- which
  active : Bool    -- exists and is not revoked
  fromSend : Bool  -- ghost: its scopes were granted by a holder of `send`, or by one with such a key

structure Decision where
  approves : Bool
  content : Nat    -- the hash of the content that the approver saw
  approver : Scopes -- of the approver's key, at that time
  time : Nat
  deadline : Nat   -- of the message, at that time

structure Message where
  born : Bool
  mailbox : Nat
  mode : Mode      -- frozen when it was sent
  state : State
  content : Nat
  deadline : Nat
  decided : Bool
  decision : Decision
  left : Bool      -- ghost: it was handed to the relay at least once
  leftContent : Nat
  leftDecided : Bool
  leftDecision : Decision

structure Code where
  issued : Bool
  mailbox : Nat
  mode : Mode
  given : Bool     -- a reviewer read it, who alone can pass it on
  givenBy : Scopes
  used : Bool

structure World where
  now : Nat
  key : Nat → Key
  mode : Nat → Mode
  message : Nat → Message
  code : Nat → Code

def sees (k : Key) (mailbox : Nat) : Bool := implies k.bound (same k.mailbox mailbox)
def can (operation : Operation) (k : Key) : Bool := both k.active (may operation k.scopes)
def granted (giver : Key) (scopes : Scopes) (bound : Bool) (mailbox : Nat) : Key :=
  ⟨scopes, bound, mailbox, .true, either giver.scopes.send giver.fromSend⟩
def requested (k : Key) (mailbox : Nat) (mode : Mode) : Code :=
  ⟨.true, mailbox, mode, .false, k.scopes, .false⟩
def readBy (k : Key) (c : Code) : Code := { c with given := .true, givenBy := k.scopes }
def spent (c : Code) : Code := { c with used := .true }
def revoked (k : Key) : Key := { k with active := .false }
def touches (operation : Operation) (k : Key) (mailbox : Nat) : Bool :=
  both (can operation k) (sees k mailbox)

/-- What the holder of key `k` can do to a message. -/
inductive Change (w : World) (k : Nat) : Message → Message → Prop where
  /-- A new message, in the mode of its mailbox or in a stricter one. -/
  | send (mailbox content deadline : Nat) (mode : Mode) (e : Event) (m : Message) :
      Holds (touches .send (w.key k) mailbox) → Holds (not (looser mode (w.mode mailbox))) →
      Holds (not m.born) →
      Change w k m { m with
        born := .true, mailbox := mailbox, mode := mode, state := next mode .pending_scan e,
        content := content, deadline := deadline, decided := .false, left := .false }
  /-- New content, by its sender or by a reviewer. -/
  | edit (content deadline : Nat) (by_ : Operation) (e : Event) (m : Message) :
      Holds m.born → Holds (isEdit e) → Holds (fires m.mode m.state e) →
      Holds (touches by_ (w.key k) m.mailbox) →
      Change w k m { m with
        state := next m.mode m.state e, content := content, deadline := deadline,
        decided := .false }
  /-- An approval or a rejection of the content that the approver saw, before the deadline. -/
  | decide (seen : Nat) (e : Event) (m : Message) :
      Holds m.born → Holds (isDecision e) → Holds (fires m.mode m.state e) →
      Holds (touches .decide (w.key k) m.mailbox) → Holds (approver (w.key k).scopes) →
      Holds (same seen m.content) → Holds (not (Nat.ble m.deadline w.now)) →
      Change w k m { m with
        state := next m.mode m.state e, decided := .true,
        decision := ⟨isApproval e, seen, (w.key k).scopes, w.now, m.deadline⟩ }
  /-- Any other event of the table: cancel, reschedule, undo, … -/
  | event (deadline : Nat) (by_ : Operation) (e : Event) (m : Message) :
      Holds m.born → Holds (not (isDecision e)) → Holds (not (isEdit e)) →
      Holds (touches by_ (w.key k) m.mailbox) →
      Change w k m { m with state := next m.mode m.state e, deadline := deadline }

/-- What the server does to a message by itself. -/
inductive Work : Message → Message → Prop where
  /-- It is due, delivered, failed, expired or purged. -/
  | event (deadline : Nat) (e : Event) (m : Message) :
      Holds m.born → Holds (not (isDecision e)) → Holds (not (isEdit e)) →
      Work m { m with state := next m.mode m.state e, deadline := deadline }
  /-- The outbox hands it to the relay; after a crash, or without an answer, again. -/
  | handOver (m : Message) : Holds m.born → Holds (isSending m.state) →
      Work m { m with
        left := .true, leftContent := m.content, leftDecided := m.decided,
        leftDecision := m.decision }

/-- What the holder of key `k` can do. -/
inductive Act (w : World) (k : Nat) : World → Prop where
  | message (n : Nat) (m : Message) : Change w k (w.message n) m →
      Act w k { w with message := put w.message n m }
  /-- A new key, or new scopes for one. -/
  | grant (n : Nat) (scopes : Scopes) (bound : Bool) (mailbox : Nat) :
      Holds (can .grant (w.key k)) → Holds (grantable (w.key k).scopes scopes) →
      Act w k { w with key := put w.key n (granted (w.key k) scopes bound mailbox) }
  | revoke (n : Nat) : Holds (can .revoke (w.key k)) →
      Act w k { w with key := put w.key n (revoked (w.key n)) }
  /-- Another mode for a mailbox, without a code. -/
  | setMode (b : Nat) (mode : Mode) :
      Holds (touches .set_mode (w.key k) b) → Holds (not (looser mode (w.mode b))) →
      Act w k { w with mode := put w.mode b mode }
  | requestCode (b c : Nat) (mode : Mode) :
      Holds (touches .request_code (w.key k) b) → Holds (not (w.code c).issued) →
      Act w k { w with code := put w.code c (requested (w.key k) b mode) }
  /-- A reviewer reads the code, and may pass it on. -/
  | readCode (c : Nat) : Holds (touches .read_code (w.key k) (w.code c).mailbox) →
      Act w k { w with code := put w.code c (readBy (w.key k) (w.code c)) }
  /-- The code's mode for the code's mailbox, once. -/
  | redeem (c : Nat) : Holds (touches .redeem_code (w.key k) (w.code c).mailbox) →
      Holds (w.code c).given → Holds (not (w.code c).used) →
      Act w k { w with
        mode := put w.mode (w.code c).mailbox (w.code c).mode,
        code := put w.code c (spent (w.code c)) }

/-- Operations of any principal and of the server, in any order and number. -/
inductive Steps : World → World → Prop where
  | none (w : World) : Steps w w
  | act (u v w : World) (k : Nat) : Steps u v → Act v k w → Steps u w
  | work (u v : World) (n : Nat) (m : Message) : Steps u v → Work (v.message n) m →
      Steps u { v with message := put v.message n m }
  | tick (u v : World) (now : Nat) : Steps u v → Holds (Nat.ble v.now now) →
      Steps u { v with now := now }
  /-- What was committed is what remains. -/
  | crash (u v : World) : Steps u v → Steps u v

/-- At the beginning no message exists, no code was issued and no key came from another. -/
structure Empty (w : World) : Prop where
  unborn : (n : Nat) → Holds (not (w.message n).born)
  here : (n : Nat) → Holds (not (w.message n).left)
  held : (n : Nat) → Holds (not (released (w.message n).state))
  first : (k : Nat) → Holds (not (w.key k).fromSend)
  unread : (c : Nat) → Holds (not (w.code c).given)
