//! A node over a store in memory, its routes, and a client that reads like prose.

use actix_http::{Request, h1};
use actix_web::{
    App, HttpRequest,
    body::to_bytes,
    dev::ServiceResponse,
    http::{
        Method, StatusCode,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    middleware::from_fn,
    test::{self, TestRequest},
};
use bedside::{
    adapters::agora::Agora,
    config::{AgoraConfig, Secret},
    http::{self, Cors, DemoLogin, DemoToken, HttpMetrics, HttpParts, IssuedTicket, TokenScopes},
    seeds::Shown,
    strangers::Strangers,
    ws::admission::Admission,
};
use bedside_actors::{
    audit::AuditKey,
    node::{Node, NodeConfig},
    ports::{
        clock::ManualClock,
        fallback::FallbackProvider,
        identity::{Identities, SessionIdentity, TokenId, TokenStamp, Verification, Verified},
        store::{BodyHash, Relation, Store, memory::MemoryStore},
    },
    testkit::client::Client,
};
use bedside_protocol::{
    CommandError, ErrorCode, MessageSend, Person, RelationKind, Role, Timestamp, UserId,
};
use futures_util::future::LocalBoxFuture;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// A staff origin that may call with credentials.
pub(crate) const ORIGIN: &str = "https://clinic.example";

pub(crate) const AGORA_APP_ID: &str = "970CA35de60c44645bbae8a215061b33";
const AGORA_CERTIFICATE: &str = "5CFd2fd1755d40ecb72977518be15d3b";

/// When the tests take place.
pub(crate) const NOW_MS: i64 = 1_795_000_000_000;

/// Tokens are `role:id`, or `role+role:id#scope scope iat=ms jti=id`; anything else is no token.
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
    let (who, more) = token.split_once('#').unwrap_or((token, ""));
    let claim = |name| more.split(' ').find_map(|word| word.strip_prefix(name));
    let (roles, id) = who.split_once(':').ok_or_else(unauthorized)?;
    Ok(SessionIdentity {
        user_id: UserId::new(id).map_err(|_| unauthorized())?,
        name: format!("Name of {id}").into(),
        email: format!(
            "{}@clinic.example",
            id.replace(|c: char| !c.is_alphanumeric(), "")
        )
        .into(),
        roles: roles.split('+').filter_map(Role::parse).collect(),
        expires_at: None,
        stamp: TokenStamp {
            issued_at: claim("iat=")
                .and_then(|ms| ms.parse().ok())
                .map(Timestamp::from_millis),
            token_id: claim("jti=").and_then(TokenId::new),
        },
    })
}

impl TokenScopes for OpenBook {
    fn scopes(&self, token: &str) -> Vec<String> {
        let scopes = token.split_once('#').map_or("", |(_, scopes)| scopes);
        scopes.split(' ').map(str::to_owned).collect()
    }
}

/// Lets in whoever calls it `localhost`.
struct Demo;

impl DemoLogin for Demo {
    fn allows(&self, request: &HttpRequest) -> bool {
        let host = request.headers().get("host");
        host.is_none_or(|host| host.as_bytes() == b"localhost")
    }

    fn users(&self) -> Vec<Person> {
        vec![Person {
            user_id: user("d1"),
            name: "Dr Demo".to_owned(),
            roles: Role::Doctor.into(),
        }]
    }

    fn login(&self, user_id: &UserId) -> Option<DemoToken> {
        let user = self
            .users()
            .into_iter()
            .find(|user| user.user_id == *user_id)?;
        Some(DemoToken {
            token: format!("doctor:{user_id}"),
            token_expires_at: Timestamp::from_millis(NOW_MS + 60_000),
            user,
        })
    }
}

/// Remembers what it counted.
#[derive(Default)]
pub(crate) struct Counted(Mutex<Vec<(&'static str, String, u16)>>);

impl HttpMetrics for Counted {
    fn answered(&self, method: &'static str, route: &str, status: u16, _took: Duration) {
        self.0.lock().push((method, route.to_owned(), status));
    }
}

impl Counted {
    /// What was counted so far.
    pub(crate) fn all(&self) -> Vec<(&'static str, String, u16)> {
        self.0.lock().clone()
    }
}

/// What a test may want another way than usual.
pub(crate) struct Options {
    pub(crate) demo: bool,
    pub(crate) credentials: bool,
    pub(crate) metrics_allowed: bool,
    pub(crate) proxies: usize,
    pub(crate) agora: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            demo: true,
            credentials: true,
            metrics_allowed: true,
            proxies: 0,
            agora: true,
        }
    }
}

/// Remembers what consultations' rooms were shown.
#[derive(Default)]
pub(crate) struct Rooms(Mutex<Vec<(u64, Value)>>);

impl Rooms {
    /// What was shown since this was last asked.
    pub(crate) fn take(&self) -> Vec<(u64, Value)> {
        std::mem::take(&mut *self.0.lock())
    }
}

type Call = dyn Fn(Request) -> LocalBoxFuture<'static, ServiceResponse>;

/// The server under test.
pub(crate) struct Api {
    call: Box<Call>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) node: Arc<Node>,
    pub(crate) shown: Arc<Shown>,
    pub(crate) counted: Arc<Counted>,
    pub(crate) rooms: Arc<Rooms>,
}

/// Good enough to tell one body from another.
fn body_hash(message: &MessageSend) -> BodyHash {
    let mut hasher = DefaultHasher::new();
    let MessageSend {
        message_type,
        text,
        attachments,
        reply_to_seq,
        ..
    } = message;
    format!("{message_type:?}{text}{attachments:?}{reply_to_seq:?}").hash(&mut hasher);
    let mut hash = BodyHash::default();
    hash[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    hash
}

/// What tests look at, beside answers.
pub(crate) struct Inside {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    counted: Arc<Counted>,
    rooms: Arc<Rooms>,
}

/// A project at Agora.
fn agora() -> Arc<dyn FallbackProvider> {
    Arc::new(Agora::new(AgoraConfig {
        app_id: AGORA_APP_ID.to_owned(),
        certificate: Secret::new(AGORA_CERTIFICATE),
    }))
}

/// What goes into [`HttpParts`] for these options, and what tests look at.
pub(crate) fn parts(options: &Options) -> (HttpParts, Inside) {
    let store = Arc::new(MemoryStore::default());
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(NOW_MS)));
    let counted = Arc::new(Counted::default());
    let rooms = Arc::new(Rooms::default());
    let told = Arc::clone(&rooms);
    let config = NodeConfig {
        arbiters: 1,
        edit_window: Duration::from_secs(900),
        passivate_after: Duration::from_secs(60),
        attachment_hosts: vec!["files.clinic.example".to_owned()],
        body_hash: Arc::new(body_hash),
        audit_key: AuditKey::derived_from(b"a test"),
        on_command: None,
    };
    let node = Node::start(config, store.clone(), clock.clone(), Arc::new(OpenBook));
    let strangers = Strangers::new(&node, &Admission::new(100), options.proxies);
    let metrics_allowed = options.metrics_allowed;
    let parts = HttpParts {
        node,
        version: "1.2.3",
        cors: Cors {
            origins: vec![ORIGIN.to_owned()],
            credentials: options.credentials,
        },
        scopes: Arc::new(OpenBook),
        tickets: Arc::new(|identity: &SessionIdentity| {
            if identity.user_id.as_str() == "greedy" {
                return Err(CommandError {
                    retry_after_ms: 1_500,
                    ..CommandError::new(ErrorCode::RateLimited, "too many unused tickets")
                });
            }
            Ok(IssuedTicket {
                ticket: format!("ticket-of-{}", identity.user_id),
                expires_at: Timestamp::from_millis(NOW_MS + 30_000),
            })
        }),
        metrics_text: Arc::new(|| "up 1\n".to_owned()),
        metrics_allowed: Arc::new(move |_| metrics_allowed),
        demo: options.demo.then(|| Arc::new(Demo) as Arc<dyn DemoLogin>),
        shown: Arc::new(Shown::default()),
        notify_room: Arc::new(move |id, shown| told.0.lock().push((id.number(), shown))),
        strangers,
        fallback: options.agora.then(agora),
        http_metrics: counted.clone(),
    };
    let inside = Inside {
        store,
        clock,
        counted,
        rooms,
    };
    (parts, inside)
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let (parts, inside) = parts(&options);
        let (node, shown) = (Arc::clone(&parts.node), Arc::clone(&parts.shown));
        let app = App::new()
            .wrap(from_fn(http::edge))
            .configure(|cfg| http::configure(cfg, parts));
        let app = Rc::new(test::init_service(app).await);
        let call = Box::new(move |request| -> LocalBoxFuture<'static, ServiceResponse> {
            let app = Rc::clone(&app);
            Box::pin(async move { test::call_service(&*app, request).await })
        });
        Self {
            call,
            store: inside.store,
            clock: inside.clock,
            node,
            shown,
            counted: inside.counted,
            rooms: inside.rooms,
        }
    }

    /// A request to be filled in.
    pub(crate) fn request(&self, method: Method, path: &str) -> Asking<'_> {
        Asking {
            api: self,
            request: TestRequest::with_uri(path).method(method),
            is_unfinished: false,
        }
    }

    pub(crate) fn get(&self, path: &str) -> Asking<'_> {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Asking<'_> {
        self.request(Method::POST, path)
    }

    pub(crate) fn put(&self, path: &str) -> Asking<'_> {
        self.request(Method::PUT, path)
    }

    pub(crate) fn patch(&self, path: &str) -> Asking<'_> {
        self.request(Method::PATCH, path)
    }

    pub(crate) fn delete(&self, path: &str) -> Asking<'_> {
        self.request(Method::DELETE, path)
    }

    /// Has the directory know these people, given as tokens.
    pub(crate) async fn know(&self, tokens: &[&str]) {
        for token in tokens {
            self.get("/api/v1/unread").by(token).await.ok();
            let id = token.rsplit(':').next().expect("a token names its user");
            // The row is written behind the request's back.
            while self
                .store
                .people(vec![user(id)])
                .await
                .expect("reads")
                .is_empty()
            {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Makes a relation for good.
    pub(crate) async fn relate(&self, patient_id: &str, user_id: &str, kind: RelationKind) {
        let relation = Relation {
            patient_id: user(patient_id),
            user_id: user(user_id),
            kind,
            until: None,
        };
        self.node.put_relation(relation).await.expect("is stored");
    }

    /// Opens a socket as somebody; it stays open for as long as it is held.
    pub(crate) async fn connect(&self, id: &str, role: Role) -> Client {
        Client::open(&self.node, id, role).await
    }

    /// Makes a conversation and gives its path.
    pub(crate) async fn conversation(&self, token: &str, body: Value) -> String {
        let made = self
            .post("/api/v1/conversations")
            .by(token)
            .json(body)
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        let id = made.body["conversation"]["conversation_id"].as_str();
        format!("/api/v1/conversations/{}", id.expect("has an id"))
    }

    /// A doctor and their patient, and the path of their direct conversation.
    pub(crate) async fn direct(&self) -> String {
        self.know(&[DOCTOR, PATIENT]).await;
        self.relate("p1", "d1", RelationKind::Clinician).await;
        self.conversation(DOCTOR, json!({"kind": "direct", "member_ids": ["p1"]}))
            .await
    }

    /// A care team around `p1`: doctor (its maker), patient, nurse.
    pub(crate) async fn care_team(&self) -> String {
        self.know(&[DOCTOR, PATIENT, NURSE]).await;
        self.relate("p1", "d1", RelationKind::Clinician).await;
        self.relate("p1", "n1", RelationKind::Clinician).await;
        self.conversation(
            DOCTOR,
            json!({"kind": "care_team", "title": "Care", "patient_id": "p1", "member_ids": ["n1"]}),
        )
        .await
    }

    /// Sends a text and gives its seq.
    pub(crate) async fn say(&self, conversation: &str, token: &str, text: &str) -> u64 {
        let path = format!("{conversation}/messages");
        let sent = self.post(&path).by(token).json(json!({"text": text})).await;
        assert_eq!(sent.status, StatusCode::CREATED, "{}", sent.body);
        sent.body["seq"].as_u64().expect("has a seq")
    }
}

pub(crate) const DOCTOR: &str = "doctor:d1";
pub(crate) const NURSE: &str = "nurse:n1";
pub(crate) const PATIENT: &str = "patient:p1";
pub(crate) const STRANGER: &str = "doctor:d9";
pub(crate) const SERVICE: &str = "service:ehr";

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).expect("is an id")
}

/// A request under construction.
pub(crate) struct Asking<'a> {
    api: &'a Api,
    request: TestRequest,
    is_unfinished: bool,
}

impl Asking<'_> {
    /// With this bearer token.
    pub(crate) fn by(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("is a header's name");
        let value = HeaderValue::from_str(value).expect("is a header's value");
        self.request = self.request.insert_header((name, value));
        self
    }

    pub(crate) fn json(mut self, body: Value) -> Self {
        self.request = self.request.set_json(body);
        self
    }

    /// A body of these very bytes, announced as JSON.
    pub(crate) fn bytes(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request = self
            .request
            .insert_header(("content-type", "application/json"))
            .set_payload(body.into());
        self
    }

    /// A body whose end never comes.
    pub(crate) fn unfinished(mut self) -> Self {
        self.is_unfinished = true;
        self
    }

    async fn answer(self) -> Answer {
        let mut request = self.request.to_request();
        // Held until it is answered.
        let (_sender, payload) = h1::Payload::create(false);
        if self.is_unfinished {
            *request.payload() = payload.into();
        }
        let response = (self.api.call)(request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body()).await;
        let bytes = bytes.unwrap_or_else(|_| panic!("the body can be read"));
        Answer {
            status,
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }
}

impl<'a> IntoFuture for Asking<'a> {
    type Output = Answer;
    type IntoFuture = LocalBoxFuture<'a, Answer>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.answer())
    }
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Null when it is not JSON.
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Asserts that it went well and gives the body.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        self.body
    }

    /// Asserts that it made something and gives the body.
    #[track_caller]
    pub(crate) fn created(self) -> Value {
        assert_eq!(self.status, StatusCode::CREATED, "{}", self.text);
        self.body
    }

    /// Asserts that it is `{success: true, data}` with this status and gives the data.
    #[track_caller]
    pub(crate) fn data(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let Value::Object(mut body) = self.body else {
            panic!("not an object: {}", self.text);
        };
        assert_eq!(body.remove("success"), Some(json!(true)), "{}", self.text);
        let data = body.remove("data").expect("has data");
        assert!(body.is_empty(), "{}", self.text);
        data
    }

    /// Asserts that it is `{success: false, message}` with this status and gives the message.
    #[track_caller]
    pub(crate) fn plainly(self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        let message = self.body["message"].as_str().unwrap_or("").to_owned();
        assert!(!message.is_empty(), "{}", self.text);
        assert_eq!(self.body, json!({"success": false, "message": message}));
        message
    }

    /// Asserts that it is a whole problem document with this code and the code's own status.
    #[track_caller]
    pub(crate) fn refused(self, code: &str) -> Value {
        let named = ErrorCode::ALL.iter().find(|known| known.name() == code);
        let status = named.expect("is a code of the table").http_status();
        self.problem(status, code)
    }

    /// Asserts that it is a whole problem document with this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{}",
            self.text
        );
        let body = self.body;
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert_eq!(body["statusCode"], status);
        assert_eq!(body["success"], false);
        assert_eq!(body["message"], body["detail"]);
        assert_eq!(body["type"], format!("urn:bedside:error:{code}"));
        assert!(
            body["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        assert!(
            body["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
        body
    }
}
