//! A clinic in memory.

use bedside::{
    socketio::{
        clinic::{Clinic, ClinicParts},
        engine::metrics::NoSessionMetrics,
        protocol::{Limits, SocketIo},
    },
    strangers::Strangers,
    ws::admission::Admission,
};
use bedside_actors::{
    caller::Caller,
    node::{ConsultationRequest, Node},
    ports::{
        clock::{Clock, ManualClock},
        identity::{Identities, SessionIdentity, TokenStamp, Verification, Verified},
        store::{AuditRecord, PersonRecord, Relation, Store, memory::MemoryStore},
    },
    testkit::{
        client::config,
        liar::{Disk, Liar},
    },
};
use bedside_protocol::{
    Command, CommandError, Consultation, ConsultationType, ConversationId, ConversationKind,
    ErrorCode, RelationKind, Reply, Role, Timestamp, UserId, command::ConversationCreate,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

use super::{Client, PATIENCE};

/// When the tests take place.
pub(crate) const NOW_MS: i64 = 1_795_000_000_000;
/// The same, as it is written.
pub(crate) const NOW: &str = "2026-11-18T11:06:40.000Z";
/// Tokens are `role:id`; `old` has run out, and anything else is none.
struct OpenBook;

impl Identities for OpenBook {
    fn verify(&self, token: &str, _now: Timestamp) -> Verification {
        read(token).into()
    }
}

fn read(token: &str) -> Verified {
    let unauthorized = || CommandError::new(ErrorCode::Unauthorized, "no such token");
    if token == "old" {
        return Err(CommandError::new(ErrorCode::TokenExpired, "it ran out"));
    }
    let (role, id) = token.split_once(':').ok_or_else(unauthorized)?;
    let (id, ends_ms) = id.split_once('@').unwrap_or((id, ""));
    Ok(SessionIdentity {
        user_id: user(id),
        name: format!("Name of {id}").into(),
        email: format!("{id}@clinic.example").into(),
        roles: Role::parse(role).into_iter().collect(),
        expires_at: ends_ms
            .parse()
            .ok()
            .map(|ms: i64| Timestamp::from_millis(NOW_MS + ms)),
        stamp: TokenStamp::default(),
    })
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).expect("is an id")
}

/// A person as messages of seed 004 have them.
pub(crate) fn person(token: &str) -> Value {
    let (role, id) = token.split_once(':').expect("role:id");
    json!({"_id": id, "fullname": format!("Name of {id}"), "email": format!("{id}@clinic.example"), "role": role})
}

/// Stands still until it is moved; waiting may take less than it says.
pub(crate) struct TestClock {
    stands: ManualClock,
    hurry: u32,
}

impl TestClock {
    pub(crate) fn advance_ms(&self, ms: i64) {
        self.stands.advance_ms(ms);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.stands.now()
    }

    fn wait(&self, nominal: Duration) -> Duration {
        nominal / self.hurry
    }
}

/// Where all is kept.
#[derive(Clone)]
enum Where {
    Memory(Arc<MemoryStore>),
    Disk(Arc<Disk>),
}

/// The server under test.
pub(crate) struct Ward {
    pub(crate) store: Arc<dyn Store>,
    disk: Where,
    pub(crate) node: Arc<Node>,
    pub(crate) clinic: Arc<Clinic>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) server: Arc<SocketIo>,
    replay: bool,
}

impl Ward {
    pub(crate) fn open() -> Self {
        Self::with(false, 1)
    }

    pub(crate) fn with(replay: bool, hurry: u32) -> Self {
        let memory = Arc::new(MemoryStore::default());
        Self::on(memory.clone(), Where::Memory(memory), replay, hurry)
    }

    /// One whose store does as it is told.
    pub(crate) fn with_liar(replay: bool) -> (Self, Arc<Liar>) {
        let disk = Disk::new();
        let liar = Liar::new(&disk);
        let ward = Self::on(liar.clone(), Where::Disk(disk), replay, 1);
        (ward, liar)
    }

    fn on(store: Arc<dyn Store>, disk: Where, replay: bool, hurry: u32) -> Self {
        let clock = Arc::new(TestClock {
            stands: ManualClock::new(Timestamp::from_millis(NOW_MS)),
            hurry,
        });
        let node = Node::start(config(), store.clone(), clock.clone(), Arc::new(OpenBook));
        Self::over(store, disk, node, clock, replay)
    }

    /// Another server of the same people and conversations.
    pub(crate) fn beside(&self) -> Self {
        let (store, disk) = (self.store.clone(), self.disk.clone());
        let (node, clock) = (self.node.clone(), self.clock.clone());
        Self::over(store, disk, node, clock, self.replay)
    }

    fn over(
        store: Arc<dyn Store>,
        disk: Where,
        node: Arc<Node>,
        clock: Arc<TestClock>,
        replay: bool,
    ) -> Self {
        let clinic = Arc::new(Clinic::new(ClinicParts {
            node: Arc::clone(&node),
            shown: Arc::default(),
            strangers: Strangers::new(&node, &Admission::new(10_000), 0),
            replay,
            grace: Duration::ZERO,
        }));
        let server = Arc::new(SocketIo {
            application: clinic.clone(),
            limits: Limits::default(),
            admission: Admission::new(10_000),
            metrics: Arc::new(NoSessionMetrics),
        });
        Self {
            store,
            disk,
            node,
            clinic,
            clock,
            server,
            replay,
        }
    }

    /// A doctor `d1` and their patient `p1`.
    pub(crate) async fn pair() -> Self {
        Self::pair_in_a_hurry(1).await
    }

    /// The same, where all waiting takes so many times less.
    pub(crate) async fn pair_in_a_hurry(hurry: u32) -> Self {
        let ward = Self::with(false, hurry);
        ward.relate("doctor:d1", "patient:p1").await;
        ward
    }

    /// Puts somebody into the directory.
    pub(crate) async fn know(&self, token: &str) {
        let identity = read(token).expect("a good token");
        let record = PersonRecord {
            user_id: identity.user_id,
            name: identity.name.to_string(),
            email: identity.email.to_string(),
            roles: identity.roles,
            last_seen_at: None,
        };
        self.store.put_person(record).await.expect("is stored");
    }

    /// Makes somebody a clinician of a patient; both are known from then on.
    pub(crate) async fn relate(&self, other: &str, patient: &str) {
        self.know(other).await;
        self.know(patient).await;
        let relation = Relation {
            patient_id: id_of(patient),
            user_id: id_of(other),
            kind: RelationKind::Clinician,
            until: None,
        };
        self.node.put_relation(relation).await.expect("is stored");
    }

    pub(crate) async fn unrelate(&self, other: &str, patient: &str) {
        let ended = self
            .node
            .delete_relation(id_of(patient), id_of(other))
            .await;
        assert!(ended.expect("is stored"));
    }

    /// Somebody who asks without a socket.
    pub(crate) fn caller(&self, token: &str) -> Caller {
        let identity = read(token);
        let identity = identity.expect("a good token");
        Caller {
            user_id: identity.user_id,
            name: identity.name,
            roles: identity.roles,
            origin: None,
        }
    }

    pub(crate) async fn run(&self, token: &str, command: Command) -> Reply {
        let reply = self.node.execute(self.caller(token), command).await;
        reply.expect("goes well")
    }

    /// Makes a chat of this kind.
    pub(crate) async fn chat(
        &self,
        by: &str,
        kind: ConversationKind,
        others: &[&str],
        patient: Option<&str>,
    ) -> ConversationId {
        let create = ConversationCreate {
            kind,
            member_ids: others.iter().map(|token| id_of(token)).collect(),
            title: match kind {
                ConversationKind::Direct => String::new(),
                _ => "Ward 3".to_owned(),
            },
            patient_id: patient.map(id_of),
        };
        match self.run(by, Command::ConversationCreate(create)).await {
            Reply::Conversation(made) => made.conversation.conversation_id,
            other => panic!("{other:?}"),
        }
    }

    /// A care team of the doctor `d1`, their colleague `d2` and the patient `p1`.
    pub(crate) async fn team() -> (Self, ConversationId) {
        let ward = Self::pair().await;
        ward.relate("doctor:d2", "patient:p1").await;
        ward.know("doctor:d9").await;
        let others = ["doctor:d2", "patient:p1"];
        let kind = ConversationKind::CareTeam;
        let id = ward.chat("doctor:d1", kind, &others, Some("patient:p1"));
        let id = id.await;
        (ward, id)
    }

    /// The doctor 5, the patient 12, the stranger 9, and a consultation of the first two.
    pub(crate) async fn consulting() -> (Self, Consultation) {
        let ward = Self::open();
        ward.relate("doctor:5", "patient:12").await;
        ward.know("doctor:9").await;
        let consultation = ward.consultation("31").await;
        (ward, consultation)
    }

    /// Another consultation of the doctor 5 and the patient 12.
    pub(crate) async fn consultation(&self, appointment: &str) -> Consultation {
        let request = ConsultationRequest {
            appointment_id: appointment.to_owned(),
            consultation_type: ConsultationType::Video,
            patient_id: user("12"),
            doctor_id: Some(user("5")),
            scheduled_at: None,
        };
        let caller = self.caller("doctor:5");
        let made = self.node.create_consultation(&caller, request).await;
        made.expect("is made")
    }

    /// A client that is let in.
    pub(crate) async fn connect(&self, namespace: &'static str, token: &str) -> Client {
        let dialed = self.dial(namespace, json!({"token": token})).await;
        dialed.expect("is let in")
    }

    /// The same, on `/`.
    pub(crate) async fn root(&self, token: &str) -> Client {
        self.connect("/", token).await
    }

    /// A client that says this about itself, or the refusal.
    pub(crate) async fn dial(&self, namespace: &'static str, auth: Value) -> Result<Client, Value> {
        self.knock(namespace, auth, None).await
    }

    pub(crate) async fn knock(
        &self,
        namespace: &'static str,
        auth: Value,
        bearer: Option<&str>,
    ) -> Result<Client, Value> {
        let client = Client::new(&self.server, namespace, false, bearer);
        client.enter(&auth).await
    }

    /// A client that has yet to ask to be let in.
    pub(crate) fn visitor(&self, namespace: &'static str) -> Client {
        Client::new(&self.server, namespace, false, None)
    }

    /// A client that speaks MessagePack.
    pub(crate) async fn msgpack(&self, namespace: &'static str, token: &str) -> Client {
        let client = Client::new(&self.server, namespace, true, None);
        let entered = client.enter(&json!({"token": token})).await;
        entered.expect("is let in")
    }

    /// What the audit log has about somebody: action, subject, detail.
    pub(crate) fn audited(&self, id: &str) -> Vec<(&'static str, String, String)> {
        self.audit_log()
            .into_iter()
            .filter(|record| record.actor == Some(user(id)))
            .map(|record| {
                // Tests compare with literals.
                let action: &'static str = record.action.into_owned().leak();
                (action, record.subject, record.detail)
            })
            .collect()
    }

    pub(crate) fn audit_log(&self) -> Vec<AuditRecord> {
        match &self.disk {
            Where::Memory(memory) => memory.audit_log(),
            Where::Disk(disk) => disk.memory().audit_log(),
        }
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let so = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let so = tokio::time::timeout(PATIENCE, so).await;
        so.unwrap_or_else(|_| panic!("it never came that {what}"));
    }
}

pub(crate) fn id_of(token: &str) -> UserId {
    user(token.split_once(':').map_or(token, |(_, id)| id))
}
