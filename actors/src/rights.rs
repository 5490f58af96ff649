//! Who may do what: pure functions on plain facts.
//!
//! Clinician = doctor or nurse; staff = clinician, assistant, pharmacy or admin. The roles are
//! those of the caller's present token; for other people those that the directory knows.

use bedside_protocol::{
    CommandError, ConversationKind, ConversationState, ErrorCode, MemberRole, RelationKind, Role,
    Roles, Timestamp, UserId,
};

use crate::ports::store::Relation;

/// What someone wants to do in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Read its log, within one's window.
    Read,
    /// Set one's own pin, mute or archive mark.
    Set,
    /// Move one's own watermarks.
    Receipt,
    /// Send a message.
    Post,
    /// Edit or delete one's own message.
    Change,
    /// Put an emoji on a message, or take it off.
    React,
    /// Show that one is writing.
    Type,
    /// Hear who is writing and who is here.
    Subscribe,
    /// Change the title.
    Rename,
    /// Bring someone in, take someone out, or change what they are here.
    Manage,
    /// Go.
    Leave,
    /// Be in the consultation's room.
    Enter,
    /// Begin the consultation, or end it.
    Hold,
    /// Call the consultation off.
    Cancel,
}

impl Verb {
    /// All verbs.
    pub const ALL: &'static [Self] = &[
        Self::Read,
        Self::Set,
        Self::Receipt,
        Self::Post,
        Self::Change,
        Self::React,
        Self::Type,
        Self::Subscribe,
        Self::Rename,
        Self::Manage,
        Self::Leave,
        Self::Enter,
        Self::Hold,
        Self::Cancel,
    ];

    /// Whether it only looks, or only changes what is the caller's own.
    const fn is_passive(self) -> bool {
        matches!(self, Self::Read | Self::Set | Self::Receipt)
    }
}

/// How the caller stands to the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What the conversation is for.
    pub kind: ConversationKind,
    /// Whether it takes new messages.
    pub state: ConversationState,
    /// What the caller's token grants.
    pub roles: Roles,
    /// What the caller is in it; none for someone who never was a member.
    pub member: Option<MemberRole>,
    /// Whether the caller's window is still open.
    pub present: bool,
    /// Whether what the membership rests on still holds: for a direct conversation that the two
    /// may write to each other, for a patient's group that the caller is the patient or related.
    pub related: bool,
}

/// Whether the caller may do it.
///
/// # Errors
/// `not_a_member` or `forbidden`.
pub fn may(verb: Verb, standing: &Standing) -> Result<(), CommandError> {
    use ConversationKind as Kind;
    let Standing {
        kind,
        roles,
        member,
        ..
    } = *standing;
    let not_a_member = || {
        Err(CommandError::new(
            ErrorCode::NotAMember,
            "you are not a member of this conversation",
        ))
    };
    if (kind, verb) == (Kind::Consultation, Verb::Cancel)
        && (roles.has(Role::Admin) || roles.has(Role::Service))
    {
        // The clinic's own calendar, in which they need not be anybody's guests.
        return Ok(());
    }
    if roles.is_empty() || roles == Roles::from(Role::Service) {
        return forbidden("your role has no rights in conversations");
    }
    let Some(member_role) = member else {
        return not_a_member();
    };
    if kind == Kind::InternalStaff && !roles.is_staff() {
        return forbidden("only staff may take part in this conversation");
    }
    if !standing.present {
        // Who left or was removed keeps their own window and nothing else.
        return match verb {
            Verb::Read | Verb::Set => Ok(()),
            _ => not_a_member(),
        };
    }
    if verb.is_passive() {
        return Ok(());
    }
    if verb == Verb::Leave {
        return match kind {
            Kind::Direct => forbidden("a direct conversation cannot be left"),
            _ => Ok(()),
        };
    }
    if standing.state == ConversationState::ReadOnly || !standing.related {
        return forbidden("the relation behind this conversation has ended; it is read-only");
    }
    let is_observer = member_role == MemberRole::Observer;
    let is_admin = member_role == MemberRole::Admin;
    match (kind, verb) {
        (_, Verb::Subscribe) | (Kind::Consultation, Verb::Enter) => Ok(()),
        (kind, Verb::Enter | Verb::Hold | Verb::Cancel) if kind != Kind::Consultation => {
            forbidden("this conversation is not that of a consultation")
        }
        _ if is_observer => forbidden("an observer only reads"),
        (Kind::Direct, Verb::Rename | Verb::Manage) => {
            forbidden("a direct conversation has no title and always the same two members")
        }
        (Kind::Broadcast, _) if !(is_admin && roles.is_staff()) => {
            forbidden("only its admins may do this in a broadcast")
        }
        (Kind::InternalStaff, Verb::Rename | Verb::Manage) if !is_admin => {
            forbidden("only its admins may change this conversation")
        }
        (Kind::CareTeam | Kind::FamilyUpdate | Kind::Consultation, Verb::Rename | Verb::Manage)
            if !roles.is_clinician() =>
        {
            forbidden("only a clinician of the patient may change this conversation")
        }
        (Kind::Consultation, Verb::Hold | Verb::Cancel)
            if !roles.is_clinician() || member_role == MemberRole::Interpreter =>
        {
            forbidden("only a clinician in it may begin, end or cancel a consultation")
        }
        _ => Ok(()),
    }
}

/// A person and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// Who.
    pub user_id: UserId,
    /// For the caller those of the token, for others those of the directory.
    pub roles: Roles,
}

/// Until when something holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// For good.
    Ever,
    /// Until this time.
    At(Timestamp),
}

impl Until {
    fn of(relation: &Relation) -> Self {
        relation.until.map_or(Self::Ever, Self::At)
    }

    fn later(self, other: Self) -> Self {
        match (self, other) {
            (Self::At(a), Self::At(b)) => Self::At(a.max(b)),
            _ => Self::Ever,
        }
    }

    fn earlier(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ever, other) => other,
            (at, Self::Ever) => at,
            (Self::At(a), Self::At(b)) => Self::At(a.min(b)),
        }
    }

    /// When it ends; none for never.
    #[must_use]
    pub const fn at(self) -> Option<Timestamp> {
        match self {
            Self::Ever => None,
            Self::At(at) => Some(at),
        }
    }

    /// Whether it holds at `now`.
    #[must_use]
    pub fn holds(self, now: Timestamp) -> bool {
        match self {
            Self::Ever => true,
            Self::At(at) => now < at,
        }
    }
}

/// Whether two people may write to each other directly, and until when. `relations` are those
/// in which either of them stands.
#[must_use]
pub fn direct_between(
    a: &Party,
    b: &Party,
    relations: &[Relation],
    now: Timestamp,
) -> Option<Until> {
    if a.user_id == b.user_id {
        return None;
    }
    if a.roles.is_staff() && b.roles.is_staff() {
        return Some(Until::Ever);
    }
    let live = || relations.iter().filter(|relation| relation.is_live(now));
    let one_way = |x: &Party, y: &Party| {
        let treats = |relation: &&Relation| {
            relation.patient_id == x.user_id
                && relation.user_id == y.user_id
                && match relation.kind {
                    RelationKind::Clinician => y.roles.is_clinician(),
                    RelationKind::Assistant => y.roles.has(Role::Assistant),
                    RelationKind::Pharmacy => y.roles.has(Role::Pharmacy),
                    RelationKind::Family | RelationKind::Interpreter => false,
                }
        };
        let as_patient = x
            .roles
            .has(Role::Patient)
            .then(|| live().filter(treats).map(Until::of).reduce(Until::later))
            .flatten();
        let as_family = (x.roles.has(Role::Family) && y.roles.is_clinician())
            .then(|| {
                live()
                    .filter(|r| r.user_id == x.user_id && r.kind == RelationKind::Family)
                    .filter_map(|family| {
                        live()
                            .filter(|r| {
                                r.patient_id == family.patient_id
                                    && r.user_id == y.user_id
                                    && r.kind == RelationKind::Clinician
                            })
                            .map(Until::of)
                            .reduce(Until::later)
                            .map(|clinician| clinician.earlier(Until::of(family)))
                    })
                    .reduce(Until::later)
            })
            .flatten();
        [as_patient, as_family]
            .into_iter()
            .flatten()
            .reduce(Until::later)
    };
    [one_way(a, b), one_way(b, a)]
        .into_iter()
        .flatten()
        .reduce(Until::later)
}

/// Whether someone may be a member of a group, and until when. `relations` are the patient's.
///
/// # Errors
/// `forbidden`, saying what it would take.
pub fn may_join(
    kind: ConversationKind,
    patient_id: Option<&UserId>,
    party: &Party,
    relations: &[Relation],
    now: Timestamp,
) -> Result<Until, CommandError> {
    match kind {
        ConversationKind::InternalStaff => {
            if party.roles.is_staff() {
                Ok(Until::Ever)
            } else {
                Err(CommandError::forbidden("only staff may be members"))
            }
        }
        ConversationKind::Broadcast | ConversationKind::Consultation => Ok(Until::Ever),
        ConversationKind::Direct => Err(CommandError::forbidden(
            "a direct conversation always has the same two members",
        )),
        ConversationKind::CareTeam | ConversationKind::FamilyUpdate => {
            let Some(patient_id) = patient_id else {
                return Err(CommandError::invalid("patient_id is missing"));
            };
            if *patient_id == party.user_id {
                return Ok(Until::Ever);
            }
            relations
                .iter()
                .filter(|r| {
                    r.patient_id == *patient_id && r.user_id == party.user_id && r.is_live(now)
                })
                .map(Until::of)
                .reduce(Until::later)
                .ok_or_else(|| {
                    CommandError::forbidden(
                        "only the patient and people related to them may be members",
                    )
                })
        }
    }
}

/// Whether the caller may make a group of this kind about this patient. Its members are checked
/// one by one with [`may_join`].
///
/// # Errors
/// `forbidden` or `invalid_argument`.
pub fn may_create(
    kind: ConversationKind,
    caller: &Party,
    patient_id: Option<&UserId>,
    relations: &[Relation],
    now: Timestamp,
) -> Result<(), CommandError> {
    match kind {
        ConversationKind::Direct => Ok(()),
        ConversationKind::Consultation => Err(CommandError::invalid(
            "kind: a consultation's conversation is made with the consultation",
        )),
        ConversationKind::InternalStaff | ConversationKind::Broadcast => {
            if patient_id.is_some() {
                Err(CommandError::invalid(
                    "patient_id does not go with this kind",
                ))
            } else if caller.roles.is_staff() {
                Ok(())
            } else {
                forbidden("only staff may make this kind of conversation")
            }
        }
        ConversationKind::CareTeam | ConversationKind::FamilyUpdate => {
            let Some(patient_id) = patient_id else {
                return Err(CommandError::invalid("patient_id is missing"));
            };
            if is_clinician_of(caller, patient_id, relations, now) {
                Ok(())
            } else {
                forbidden("only a clinician of the patient may make this kind of conversation")
            }
        }
    }
}

/// Whether someone treats a patient. `relations` are the patient's.
#[must_use]
pub fn is_clinician_of(
    party: &Party,
    patient_id: &UserId,
    relations: &[Relation],
    now: Timestamp,
) -> bool {
    party.roles.is_clinician()
        && relations.iter().any(|r| {
            r.patient_id == *patient_id
                && r.user_id == party.user_id
                && r.kind == RelationKind::Clinician
                && r.is_live(now)
        })
}

fn forbidden(why: &'static str) -> Result<(), CommandError> {
    Err(CommandError::forbidden(why))
}
