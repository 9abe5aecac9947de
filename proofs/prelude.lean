prelude
/-! What Lean's elaborator needs for `match`, structures and recursion, since the library that checks
these files comes without Lean's own prelude. These are definitions; nothing is assumed. -/

universe u v w
noncomputable section

inductive lcErased : Type
inductive lcAny : Type
inductive lcVoid : Type

set_option bootstrap.inductiveCheckResultingUniverse false in
inductive PUnit : Sort u where
  | unit : PUnit
abbrev Unit : Type := PUnit
@[match_pattern] abbrev Unit.unit : Unit := PUnit.unit

inductive Eq {α : Sort u} (a : α) : α → Prop where
  | refl : Eq a a
abbrev Eq.ndrec.{u1, u2} {α : Sort u2} {a : α} {motive : α → Sort u1} (m : motive a) {b : α}
    (h : Eq a b) : motive b := h.rec m
inductive HEq {α : Sort u} (a : α) : {β : Sort u} → β → Prop where
  | refl : HEq a a
@[match_pattern] abbrev rfl {α : Sort u} {a : α} : Eq a a := Eq.refl
theorem heq_of_eq {α : Sort u} {a b : α} (h : Eq a b) : HEq a b :=
  h.rec (motive := fun b _ => HEq a b) HEq.refl
theorem Eq.symm {α : Sort u} {a b : α} (h : Eq a b) : Eq b a :=
  h.rec (motive := fun b _ => Eq b a) rfl
@[inline] def id {α : Sort u} (a : α) : α := a
theorem eq_of_heq {α : Sort u} {a a' : α} (h : HEq a a') : Eq a a' :=
  have cast (β : Sort u) (b : β) (h : HEq a b) :
      (e : Eq α β) → Eq (e.rec (motive := fun β _ => β) a) b :=
    h.rec (motive := fun {β} b _ => (e : Eq α β) → Eq (e.rec (motive := fun β _ => β) a) b)
      (fun (_ : Eq α α) => (rfl : Eq a a))
  cast α a' h rfl

inductive True : Prop where
  | intro
inductive False : Prop
def False.elim {α : Sort u} (h : False) : α := h.rec
abbrev outParam (α : Sort u) : Sort u := α
class CoeFun (α : Sort u) (γ : outParam (α → Sort v)) where
  coe : (f : α) → γ f
structure PProd (α : Sort u) (β : Sort v) where
  fst : α
  snd : β
structure Prod (α : Type u) (β : Type v) where
  fst : α
  snd : β
structure And (a b : Prop) : Prop where
  intro ::
  left : a
  right : b
inductive Bool : Type where
  | false | true
def Not (a : Prop) : Prop := a → False
def cond {α : Sort u} (b : Bool) (x y : α) : α :=
  match b with
  | .true => x
  | .false => y
inductive Decidable (p : Prop) : Type where
  | isFalse (h : Not p) : Decidable p
  | isTrue (h : p) : Decidable p
set_option genCtorIdx false in
inductive Nat : Type where
  | zero
  | succ (n : Nat)
noncomputable def Nat.ble (n m : Nat) : Bool :=
  n.rec (motive := fun _ => Nat → Bool) (fun _ => Bool.true)
    (fun _ below m => m.rec (motive := fun _ => Bool) Bool.false (fun m _ => below m)) m
structure PULift.{r, s} (α : Sort s) : Sort (max s r 1) where
  up ::
  down : α
structure PSigma {α : Sort u} (β : α → Sort v) where
  fst : α
  snd : β fst

/-! Words of the statements. -/

inductive Or (a b : Prop) : Prop where
  | inl (h : a) : Or a b
  | inr (h : b) : Or a b
inductive Exists {α : Sort u} (p : α → Prop) : Prop where
  | intro (w : α) (h : p w) : Exists p

/-- The Boolean is true. -/
def Holds : Bool → Prop
  | .true => True
  | .false => False
def both : Bool → Bool → Bool
  | .true, b => b
  | .false, _ => .false
def not : Bool → Bool
  | .true => .false
  | .false => .true
def implies : Bool → Bool → Bool
  | .true, b => b
  | .false, _ => .true
def either : Bool → Bool → Bool
  | .true, _ => .true
  | .false, b => b
noncomputable def same (n m : Nat) : Bool := both (Nat.ble n m) (Nat.ble m n)

theorem first : (a b : Bool) → Holds (both a b) → Holds a
  | .true, _, _ => .intro
  | .false, _, h => h
theorem second : (a b : Bool) → Holds (both a b) → Holds b
  | .true, _, h => h
  | .false, .true, _ => .intro
  | .false, .false, h => h
theorem join : (a b : Bool) → Holds a → Holds b → Holds (both a b)
  | .true, _, _, h => h
  | .false, _, h, _ => h
theorem apply : (a b : Bool) → Holds (implies a b) → Holds a → Holds b
  | .true, _, h, _ => h
  | .false, .true, _, _ => .intro
  | .false, .false, _, h => h
theorem imply : (a b : Bool) → (Holds a → Holds b) → Holds (implies a b)
  | .true, _, f => f .intro
  | .false, _, _ => .intro
theorem absurd : {p : Prop} → (a : Bool) → Holds a → Holds (not a) → p
  | _, .true, _, h => nomatch h
  | _, .false, h, _ => nomatch h

theorem ble_antisymm : (n m : Nat) → Holds (Nat.ble n m) → Holds (Nat.ble m n) → Eq n m
  | .zero, .zero, _, _ => rfl
  | .zero, .succ _, _, h => nomatch h
  | .succ _, .zero, h, _ => nomatch h
  | .succ n, .succ m, h, k => (ble_antisymm n m h k).rec (motive := fun m _ => Eq (Nat.succ n) (Nat.succ m)) rfl
theorem eq_of_same (n m : Nat) (h : Holds (same n m)) : Eq n m :=
  ble_antisymm n m (first _ _ h) (second _ _ h)

/-- The function with another value at one place. -/
noncomputable def put {α : Type} (f : Nat → α) (n : Nat) (v : α) : Nat → α :=
  fun i => cond (same i n) v (f i)
/-- What relates the old value to the new one at that place relates all others, if it is reflexive. -/
theorem put_relates {α : Type} (f : Nat → α) (n : Nat) (v : α) (R : α → α → Prop)
    (reflexive : (a : α) → R a a) (h : R (f n) v) (i : Nat) : R (f i) (put f n v i) :=
  (same i n).rec (motive := fun b => (Holds b → Eq i n) → R (f i) (cond b v (f i)))
    (fun _ => reflexive (f i))
    (fun e => (e .intro).symm.rec (motive := fun i _ => R (f i) v) h)
    (eq_of_same i n)
theorem put_keeps {α : Type} (f : Nat → α) (n : Nat) (v : α) (P : α → Prop)
    (h : (i : Nat) → P (f i)) (hv : P v) (i : Nat) : P (put f n v i) :=
  (same i n).rec (motive := fun b => P (cond b v (f i))) (h i) hv
