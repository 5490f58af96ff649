//! Who may do what: `rights.txt` says it, and here every combination is held to it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bedside_actors::{
    ports::store::Relation,
    rights::{self, Party, Standing, Until, Verb},
};
use bedside_protocol::{
    ConversationKind, ConversationState, MemberRole, RelationKind, Role, Roles, Timestamp, UserId,
};

const STAFF: [&str; 5] = ["doctor", "nurse", "assistant", "pharmacy", "admin"];
const RELATIONS: [RelationKind; 5] = [
    RelationKind::Clinician,
    RelationKind::Assistant,
    RelationKind::Pharmacy,
    RelationKind::Family,
    RelationKind::Interpreter,
];

struct Rule {
    line: usize,
    cells: Vec<Vec<&'static str>>,
}

fn rules() -> Vec<Rule> {
    let lines = include_str!("rights.txt").lines().enumerate();
    let rules = lines.filter(|(_, line)| !line.starts_with('#') && !line.is_empty());
    rules
        .map(|(i, line)| Rule {
            line: i + 1,
            cells: line
                .split('|')
                .map(|cell| cell.split_whitespace().collect())
                .collect(),
        })
        .collect()
}

fn matches(cell: &[&str], value: &str) -> bool {
    let is_staff = cell.contains(&"staff") && STAFF.contains(&value);
    cell == ["*"] || is_staff || cell.contains(&value)
}

fn verb(name: &str) -> Verb {
    let found = Verb::ALL
        .iter()
        .find(|verb| format!("{verb:?}").to_lowercase() == name);
    *found.unwrap_or_else(|| panic!("no verb {name}"))
}

/// A token of each single role, and one of none.
fn tokens() -> Vec<(&'static str, Roles)> {
    let each = Role::ALL
        .iter()
        .map(|role| (role.name(), Roles::from(*role)));
    each.chain([("none", Roles::NONE)]).collect()
}

const MEMBERS: [(&str, Option<MemberRole>); 5] = [
    ("stranger", None),
    ("member", Some(MemberRole::Member)),
    ("admin", Some(MemberRole::Admin)),
    ("observer", Some(MemberRole::Observer)),
    ("interpreter", Some(MemberRole::Interpreter)),
];

#[test]
fn every_combination_is_as_the_table_says() {
    let rules = rules();
    let mut used = vec![0; rules.len()];
    let mut checked = 0;
    for kind in ConversationKind::ALL {
        for (member_name, member) in MEMBERS {
            for (token, roles) in tokens() {
                for bits in 0..8 {
                    let (present, related, is_open) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
                    let situation = match (present, related && is_open) {
                        (false, _) => "past",
                        (true, true) => "open",
                        (true, false) => "shut",
                    };
                    let values = [kind.name(), situation, member_name, token];
                    let found: Vec<_> = (0..rules.len())
                        .filter(|i| (0..4).all(|c| matches(&rules[*i].cells[c], values[c])))
                        .collect();
                    let [rule] = found[..] else {
                        let lines: Vec<_> = found.iter().map(|i| rules[*i].line).collect();
                        panic!("{values:?}: rules in lines {lines:?}");
                    };
                    used[rule] += 1;
                    let allowed: Vec<_> = match &rules[rule].cells[4][..] {
                        ["-"] => Vec::new(),
                        names => names.iter().map(|name| verb(name)).collect(),
                    };
                    let state = match is_open {
                        true => ConversationState::Open,
                        false => ConversationState::ReadOnly,
                    };
                    let standing = Standing {
                        kind: *kind,
                        state,
                        roles,
                        member,
                        present,
                        related,
                    };
                    for verb in Verb::ALL {
                        let may = rights::may(*verb, &standing);
                        let line = rules[rule].line;
                        assert_eq!(
                            may.is_ok(),
                            allowed.contains(verb),
                            "{verb:?} of {values:?}, line {line}: {may:?}"
                        );
                        checked += 1;
                    }
                }
            }
        }
    }
    assert!(used.iter().all(|n| *n > 0), "each rule is about something");
    assert_eq!(checked, 6 * 5 * 9 * 8 * 14);
}

const NOW: i64 = 1_000_000;

fn now() -> Timestamp {
    Timestamp::from_millis(NOW)
}

fn party(id: &str, role: Role) -> Party {
    Party {
        user_id: UserId::new(id).unwrap(),
        roles: Roles::from(role),
    }
}

fn relation(patient: &str, other: &str, kind: RelationKind, until: Option<i64>) -> Relation {
    Relation {
        patient_id: UserId::new(patient).unwrap(),
        user_id: UserId::new(other).unwrap(),
        kind,
        until: until.map(Timestamp::from_millis),
    }
}

/// How long a relation may hold, and what of it is left.
fn terms() -> [(Option<i64>, Option<Until>); 4] {
    [
        (None, Some(Until::Ever)),
        (
            Some(NOW + 1),
            Some(Until::At(Timestamp::from_millis(NOW + 1))),
        ),
        (Some(NOW), None),
        (Some(NOW - 1), None),
    ]
}

fn is_staff(role: Role) -> bool {
    STAFF.contains(&role.name())
}

/// Whom a relation of this kind lets a patient write to.
fn treats(kind: RelationKind) -> &'static [Role] {
    match kind {
        RelationKind::Clinician => &[Role::Doctor, Role::Nurse],
        RelationKind::Assistant => &[Role::Assistant],
        RelationKind::Pharmacy => &[Role::Pharmacy],
        RelationKind::Family | RelationKind::Interpreter => &[],
    }
}

#[test]
fn direct_rests_on_one_relation_between_the_two() {
    for a in Role::ALL {
        for b in Role::ALL {
            let (x, y) = (party("a", *a), party("b", *b));
            let staff = (is_staff(*a) && is_staff(*b)).then_some(Until::Ever);
            assert_eq!(rights::direct_between(&x, &y, &[], now()), staff);
            for kind in RELATIONS {
                for (until, left) in terms() {
                    for a_is_patient in [true, false] {
                        let (patient, other) = if a_is_patient { ("a", "b") } else { ("b", "a") };
                        let (patient_role, other_role) = if a_is_patient { (a, b) } else { (b, a) };
                        let fits =
                            *patient_role == Role::Patient && treats(kind).contains(other_role);
                        let expected = staff.or(left.filter(|_| fits));
                        let relations = [relation(patient, other, kind, until)];
                        for (x, y) in [(&x, &y), (&y, &x)] {
                            assert_eq!(
                                rights::direct_between(x, y, &relations, now()),
                                expected,
                                "{a:?} {b:?} {kind:?} {until:?} {a_is_patient}"
                            );
                        }
                    }
                }
            }
        }
    }
    let doctor = party("a", Role::Doctor);
    assert_eq!(rights::direct_between(&doctor, &doctor, &[], now()), None);
}

#[test]
fn family_writes_to_a_clinician_only_through_the_patient() {
    for a in Role::ALL {
        for b in Role::ALL {
            let (x, y) = (party("a", *a), party("b", *b));
            for first in RELATIONS {
                for second in RELATIONS {
                    for (until_a, left_a) in terms() {
                        for (until_b, left_b) in terms() {
                            let relations = [
                                relation("p", "a", first, until_a),
                                relation("p", "b", second, until_b),
                            ];
                            let is_clinician = [Role::Doctor, Role::Nurse].contains(b);
                            let fits = *a == Role::Family
                                && first == RelationKind::Family
                                && second == RelationKind::Clinician
                                && is_clinician;
                            let back = *b == Role::Family
                                && second == RelationKind::Family
                                && first == RelationKind::Clinician
                                && [Role::Doctor, Role::Nurse].contains(a);
                            let expected = match (left_a, left_b) {
                                _ if is_staff(*a) && is_staff(*b) => Some(Until::Ever),
                                (Some(u), Some(v)) if fits || back => {
                                    Some(if u == Until::Ever { v } else { u })
                                }
                                _ => None,
                            };
                            let found = rights::direct_between(&x, &y, &relations, now());
                            assert_eq!(found, expected, "{a:?} {b:?} {relations:?}");
                        }
                    }
                }
            }
            // Each with a patient of their own.
            let apart = [
                relation("p", "a", RelationKind::Family, None),
                relation("q", "b", RelationKind::Clinician, None),
            ];
            let staff = (is_staff(*a) && is_staff(*b)).then_some(Until::Ever);
            assert_eq!(rights::direct_between(&x, &y, &apart, now()), staff);
        }
    }
}

#[test]
fn groups_are_made_and_joined_by_whom_they_are_for() {
    use ConversationKind as Kind;
    let patient = UserId::new("p").unwrap();
    for role in Role::ALL {
        let (who, is_clinician) = (
            party("a", *role),
            [Role::Doctor, Role::Nurse].contains(role),
        );
        for kind in RELATIONS {
            for (until, left) in terms() {
                let relations = [relation("p", "a", kind, until)];
                let create =
                    |kind, about| rights::may_create(kind, &who, about, &relations, now()).is_ok();
                let join =
                    |kind, about| rights::may_join(kind, about, &who, &relations, now()).ok();
                let about = format!("{role:?} {kind:?} {until:?}");
                let is_theirs = is_clinician && kind == RelationKind::Clinician && left.is_some();
                for group in [Kind::CareTeam, Kind::FamilyUpdate] {
                    assert_eq!(create(group, Some(&patient)), is_theirs, "{about}");
                    assert_eq!(join(group, Some(&patient)), left, "{about}");
                    assert!(!create(group, None) && join(group, None).is_none());
                }
                for group in [Kind::InternalStaff, Kind::Broadcast] {
                    assert_eq!(create(group, None), is_staff(*role), "{about}");
                    assert!(!create(group, Some(&patient)));
                }
                let staff = is_staff(*role).then_some(Until::Ever);
                assert_eq!(join(Kind::InternalStaff, None), staff);
                assert_eq!(join(Kind::Broadcast, None), Some(Until::Ever));
                assert!(join(Kind::Direct, None).is_none());
                assert!(!create(Kind::Consultation, None));
            }
        }
    }
    let own = party("p", Role::Patient);
    let joined = rights::may_join(Kind::CareTeam, Some(&patient), &own, &[], now());
    assert_eq!(joined, Ok(Until::Ever));
}
