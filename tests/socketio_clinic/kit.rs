//! A clinic in memory, and clients of its front ends: Socket.IO's packets in and out, without a
//! network.

use bedside::{
    socketio::{
        application::Handshake,
        clinic::{Clinic, ClinicParts},
        engine::{metrics::NoSessionMetrics, speaker::Speaker as _},
        protocol::{Connection, Limits, SocketIo},
    },
    ws::{admission::Admission, dialect::Output},
};
use bedside_actors::{
    caller::Caller,
    node::{ConsultationRequest, Node},
    ports::{
        clock::{Clock, ManualClock},
        identity::{Identities, SessionIdentity},
        store::{AuditRecord, PersonRecord, Relation, Store, memory::MemoryStore},
    },
    testkit::client::config,
};
use bedside_protocol::{
    Command, CommandError, Consultation, ConsultationType, ConversationId, ConversationKind,
    ErrorCode, RelationKind, Reply, Role, Timestamp, UserId, command::ConversationCreate,
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::Poll,
    time::Duration,
};

/// When the tests take place.
pub(crate) const NOW_MS: i64 = 1_795_000_000_000;
/// The same, as it is written.
pub(crate) const NOW: &str = "2026-11-18T11:06:40.000Z";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Tokens are `role:id`; `old` has run out, and anything else is none.
struct OpenBook;

impl Identities for OpenBook {
    fn verify(&self, token: &str, _now: Timestamp) -> Result<SessionIdentity, CommandError> {
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
        })
    }
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

/// The server under test.
pub(crate) struct Ward {
    pub(crate) store: Arc<MemoryStore>,
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
        let store = Arc::new(MemoryStore::default());
        let clock = Arc::new(TestClock {
            stands: ManualClock::new(Timestamp::from_millis(NOW_MS)),
            hurry,
        });
        let node = Node::start(config(), store.clone(), clock.clone(), Arc::new(OpenBook));
        Self::over(store, node, clock, replay)
    }

    /// Another server of the same people and conversations.
    pub(crate) fn beside(&self) -> Self {
        let (store, node, clock) = (self.store.clone(), self.node.clone(), self.clock.clone());
        Self::over(store, node, clock, self.replay)
    }

    fn over(store: Arc<MemoryStore>, node: Arc<Node>, clock: Arc<TestClock>, replay: bool) -> Self {
        let clinic = Arc::new(Clinic::new(ClinicParts {
            node: Arc::clone(&node),
            shown: Arc::default(),
            replay,
        }));
        let server = Arc::new(SocketIo {
            application: clinic.clone(),
            limits: Limits::default(),
            admission: Admission::new(10_000),
            metrics: Arc::new(NoSessionMetrics),
        });
        Self {
            store,
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
        let identity = OpenBook
            .verify(token, Timestamp::from_millis(0))
            .expect("a good token");
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
        let identity = OpenBook.verify(token, Timestamp::from_millis(0));
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
        let client = Client::new(self, namespace, false, bearer);
        client.enter(&auth).await
    }

    /// A client that speaks MessagePack.
    pub(crate) async fn msgpack(&self, namespace: &'static str, token: &str) -> Client {
        let client = Client::new(self, namespace, true, None);
        let entered = client.enter(&json!({"token": token})).await;
        entered.expect("is let in")
    }

    /// What the audit log has about somebody: action, subject, detail.
    pub(crate) fn audited(&self, id: &str) -> Vec<(&'static str, String, String)> {
        self.audit_log()
            .into_iter()
            .filter(|record| record.actor == Some(user(id)))
            .map(|record| (record.action, record.subject, record.detail))
            .collect()
    }

    pub(crate) fn audit_log(&self) -> Vec<AuditRecord> {
        self.store.audit_log()
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

/// One client in one namespace.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    namespace: &'static str,
    msgpack: bool,
    /// What came with CONNECT.
    pub(crate) greeting: Value,
    /// Event and arguments, in the order in which they came.
    pub(crate) heard: VecDeque<(String, Vec<Value>)>,
    acks: HashMap<i64, Value>,
    last_ack: i64,
    refused: Option<Value>,
    /// The server has sent it away, or closed the connection.
    pub(crate) ended: bool,
    /// Whether what is taken counts as written at once.
    pub(crate) writes: bool,
}

impl Client {
    fn new(ward: &Ward, namespace: &'static str, msgpack: bool, bearer: Option<&str>) -> Self {
        let handshake = Handshake {
            bearer: bearer.map(str::to_owned),
            address: [192, 0, 2, 7].into(),
        };
        Self {
            connection: Connection::new(Arc::clone(&ward.server), handshake, None),
            namespace,
            msgpack,
            greeting: Value::Null,
            heard: VecDeque::new(),
            acks: HashMap::new(),
            last_ack: 0,
            refused: None,
            ended: false,
            writes: true,
        }
    }

    async fn enter(mut self, auth: &Value) -> Result<Self, Value> {
        self.packet(0, None, auth);
        while self.greeting.is_null() {
            if let Some(refused) = self.refused.take() {
                return Err(refused);
            }
            self.pump().await;
        }
        Ok(self)
    }

    // To the server

    fn packet(&mut self, kind: u8, ack: Option<i64>, data: &Value) {
        self.connection.heard();
        let taken = if self.msgpack {
            let mut packet = json!({"type": kind, "nsp": self.namespace, "data": data});
            if let Some(ack) = ack {
                packet["id"] = ack.into();
            }
            let bytes = rmp_serde::to_vec_named(&packet).expect("is MessagePack");
            self.connection.binary(bytes.into())
        } else {
            let namespace = match self.namespace {
                "/" => String::new(),
                other => format!("{other},"),
            };
            let ack = ack.map_or_else(String::new, |ack| ack.to_string());
            let text = format!("{kind}{namespace}{ack}{data}");
            self.connection.text(text.into())
        };
        taken.expect("is taken");
    }

    /// Emits with as many arguments.
    pub(crate) async fn emit_all(&mut self, ack: Option<i64>, arguments: &Value) {
        let ready = std::future::poll_fn(|cx| self.connection.poll_ready(cx));
        let ready = tokio::time::timeout(PATIENCE, ready).await;
        ready.expect("the client is read again");
        self.packet(2, ack, arguments);
    }

    /// Emits, and is polled until it would be read again.
    pub(crate) async fn emit(&mut self, event: &str, argument: Value) {
        self.emit_all(None, &json!([event, argument])).await;
        self.glance().await;
        while !self.is_read().await {
            tokio::task::yield_now().await;
            self.glance().await;
        }
    }

    /// Emits, and waits for the answer.
    pub(crate) async fn ask(&mut self, event: &str, argument: Value) -> Value {
        let ack = self.post(event, argument).await;
        self.answer(ack).await
    }

    /// Emits; the number of its answer.
    pub(crate) async fn post(&mut self, event: &str, argument: Value) -> i64 {
        self.last_ack += 1;
        let ack = self.last_ack;
        self.emit_all(Some(ack), &json!([event, argument])).await;
        ack
    }

    pub(crate) async fn answer(&mut self, ack: i64) -> Value {
        loop {
            if let Some(answer) = self.acks.remove(&ack) {
                return answer;
            }
            assert!(!self.ended, "ended before answer {ack} came");
            self.pump().await;
        }
    }

    /// Emits something that goes well.
    pub(crate) async fn done(&mut self, event: &str, argument: Value) -> Value {
        let answer = self.ask(event, argument).await;
        assert_eq!(answer["ok"], json!(true), "{event}: {answer}");
        answer
    }

    /// Emits something that is refused, with and without a wish for an answer: the code.
    pub(crate) async fn refused(&mut self, event: &str, argument: Value) -> String {
        let answer = self.ask(event, argument.clone()).await;
        let code = answer["error"]["code"].as_str().expect("a code").to_owned();
        let message = answer["error"]["message"].as_str().expect("a message");
        assert_eq!(
            answer,
            json!({"ok": false, "error": {"code": code, "message": message}})
        );
        assert!(self.left("error").is_empty(), "no event beside an answer");
        let wanted = json!({"message": format!("{code}: {message}")});
        self.emit(event, argument).await;
        assert_eq!(self.next("error").await, wanted);
        code
    }

    /// All that was taken is written.
    pub(crate) fn connection_written(&mut self) {
        self.connection.written();
    }

    /// The client has answered a ping.
    pub(crate) fn connection_heard(&mut self) {
        self.connection.heard();
    }

    // From the server

    /// Takes in what is there, or waits for something.
    pub(crate) async fn pump(&mut self) {
        let mut frames = VecDeque::new();
        let output = std::future::poll_fn(|cx| self.connection.poll_output(cx, &mut frames));
        let output = tokio::time::timeout(PATIENCE, output).await;
        let output = output.unwrap_or_else(|_| panic!("nothing came; {}", self.names()));
        if let Output::Closed(_) = output {
            self.ended = true;
        }
        for frame in frames {
            self.take(&frame);
        }
        if self.writes {
            self.connection.written();
        }
    }

    /// Takes in what is there, without waiting for more.
    pub(crate) async fn glance(&mut self) {
        while !self.ended
            && tokio::time::timeout(Duration::ZERO, self.pump())
                .await
                .is_ok()
        {}
    }

    fn take(&mut self, frame: &Bytes) {
        let (kind, ack, data) = read(frame, self.namespace);
        match kind {
            0 => self.greeting = data,
            1 => self.ended = true,
            2 => {
                let Value::Array(mut arguments) = data else {
                    panic!("{data}");
                };
                let event = arguments.remove(0).as_str().expect("a name").to_owned();
                self.heard.push_back((event, arguments));
            }
            3 => {
                let answer = data.as_array().expect("arguments")[0].clone();
                let before = self.acks.insert(ack.expect("a number"), answer);
                assert_eq!(before, None, "answered twice");
            }
            4 => self.refused = Some(data),
            other => panic!("a packet of type {other}"),
        }
    }

    /// The only argument of the next such event.
    pub(crate) async fn next(&mut self, event: &str) -> Value {
        let mut arguments = self.next_all(event).await;
        assert_eq!(arguments.len(), 1, "{event} has one argument");
        arguments.remove(0)
    }

    /// All arguments of the next such event.
    pub(crate) async fn next_all(&mut self, event: &str) -> Vec<Value> {
        loop {
            if let Some(at) = self.heard.iter().position(|(name, _)| name == event) {
                return self.heard.remove(at).expect("it was just found").1;
            }
            assert!(!self.ended, "ended before {event} came");
            self.pump().await;
        }
    }

    /// What came under this name and was not taken.
    pub(crate) fn left(&self, event: &str) -> Vec<&Vec<Value>> {
        let left = self.heard.iter().filter(|(name, _)| name == event);
        left.map(|(_, arguments)| arguments).collect()
    }

    /// Nothing is left, but perhaps who comes and goes.
    pub(crate) fn heard_nothing_more(&self) {
        let presence = self.left("user_status_change").len();
        assert_eq!(self.heard.len(), presence, "{}", self.names());
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.heard.iter().map(|(name, _)| name.as_str()).collect();
        format!("heard {}: {names:?}", names.len())
    }

    /// Waits until the server ends it.
    pub(crate) async fn end(&mut self) {
        while !self.ended {
            self.pump().await;
        }
    }

    /// Whether it would be read now.
    pub(crate) async fn is_read(&mut self) -> bool {
        std::future::poll_fn(|cx| Poll::Ready(self.connection.poll_ready(cx).is_ready())).await
    }
}

/// Type, number and data of a packet.
fn read(frame: &Bytes, namespace: &str) -> (u8, Option<i64>, Value) {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let payload = &frame[header..];
    if frame[0] == 0x82 {
        let packet: Value = rmp_serde::from_slice(payload).expect("is MessagePack");
        assert_eq!(packet["nsp"], namespace);
        let kind = packet["type"].as_u64().expect("a type");
        return (kind as u8, packet["id"].as_i64(), packet["data"].clone());
    }
    let text = std::str::from_utf8(payload).expect("text is UTF-8");
    let text = text.strip_prefix('4').expect("a message of Engine.IO");
    let kind = text.as_bytes()[0] - b'0';
    let rest = match namespace {
        "/" => &text[1..],
        other => {
            let rest = text[1..].strip_prefix(other).expect("its namespace");
            rest.strip_prefix(',').expect("a comma")
        }
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (ack, data) = rest.split_at(digits);
    let data = if data.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(data).expect("is JSON")
    };
    (kind, ack.parse().ok(), data)
}
