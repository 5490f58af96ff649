//! Answers of somebody else, kept for a while: each is asked for once, however many wait for it;
//! when nobody answers, what was said before counts for some time yet, and the same is not asked
//! again for the next few seconds. When several in a row are not answered, nothing is: one thing
//! that the other side chokes on says little about the next.

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Semaphore, time::Instant};

/// Answers kept; one more drops the one that came in first.
const KEPT_MAX: usize = 10_000;
/// Questions under way at once.
const ASKING_MAX: usize = 32;
/// For how long what was not answered is not asked again.
const PAUSE: Duration = Duration::from_secs(5);
/// So many different questions without an answer, one after the other, and for that long nothing
/// is asked at all.
const SILENT_MAX: usize = 3;

/// Nobody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unanswered;

/// What is asked about, hashed, so that no token and no person lies in the table.
pub(super) type About = [u8; 32];

type Answering<V> = Shared<BoxFuture<'static, Result<V, Unanswered>>>;

/// An answer.
pub(super) enum Answered<V> {
    /// It is known.
    Known(Result<V, Unanswered>),
    /// It is under way.
    Asking(Answering<V>),
}

/// For how long an answer counts.
#[derive(Clone, Copy)]
pub(super) struct Lasting {
    pub(super) fresh: Duration,
    /// While nobody answers.
    pub(super) stale: Duration,
}

/// See the module's text.
pub(super) struct AskedBefore<V> {
    table: Mutex<Table<V>>,
    turns: Semaphore,
    lasting: fn(&V) -> Lasting,
}

struct Table<V> {
    rows: HashMap<About, Row<V>>,
    /// In the order in which they came in.
    order: VecDeque<About>,
    paused_until: Option<Instant>,
    /// What was not answered since something was: different ones, no more than it takes.
    silent: Vec<About>,
}

struct Row<V> {
    said: Option<(V, Instant)>,
    asking: Option<Answering<V>>,
    /// It was not answered, and is not asked again before then.
    again_at: Option<Instant>,
}

impl<V: Clone + Send + Sync + 'static> AskedBefore<V> {
    pub(super) fn new(lasting: fn(&V) -> Lasting) -> Arc<Self> {
        Arc::new(Self {
            table: Mutex::new(Table {
                rows: HashMap::new(),
                order: VecDeque::new(),
                paused_until: None,
                silent: Vec::new(),
            }),
            turns: Semaphore::new(ASKING_MAX),
            lasting,
        })
    }

    /// What is said about this; `ask` says it when it is not known.
    pub(super) fn get(
        self: &Arc<Self>,
        about: About,
        ask: impl FnOnce() -> BoxFuture<'static, Result<V, Unanswered>>,
    ) -> Answered<V> {
        let now = Instant::now();
        let mut table = self.table.lock();
        let is_paused = table.paused_until.is_some_and(|until| now < until);
        let row = table.row(about);
        let is_paused = is_paused || row.again_at.is_some_and(|until| now < until);
        if let Some((said, at)) = &row.said {
            let lasting = (self.lasting)(said);
            let lasts = match is_paused {
                true => lasting.stale,
                false => lasting.fresh,
            };
            if now.duration_since(*at) < lasts {
                return Answered::Known(Ok(said.clone()));
            }
        }
        if let Some(asking) = &row.asking {
            return Answered::Asking(asking.clone());
        }
        if is_paused {
            return Answered::Known(Err(Unanswered));
        }
        let (own, ask) = (Arc::clone(self), ask());
        // Of its own, to its end: those who wait may all give up, and its turn with them.
        let task = tokio::spawn(async move { own.answered(about, ask).await });
        let asking = async move { task.await.unwrap_or(Err(Unanswered)) }
            .boxed()
            .shared();
        row.asking = Some(asking.clone());
        Answered::Asking(asking)
    }

    async fn answered(
        &self,
        about: About,
        ask: BoxFuture<'static, Result<V, Unanswered>>,
    ) -> Result<V, Unanswered> {
        let answer = match self.turns.acquire().await {
            Ok(_turn) => ask.await,
            Err(_) => Err(Unanswered),
        };
        let now = Instant::now();
        let mut table = self.table.lock();
        table.note(about, answer.is_ok(), now);
        let row = table.row(about);
        row.asking = None;
        row.again_at = answer.is_err().then_some(now + PAUSE);
        match &answer {
            Ok(said) => row.said = Some((said.clone(), now)),
            Err(Unanswered) => {
                if let Some((said, at)) = &row.said
                    && now.duration_since(*at) < (self.lasting)(said).stale
                {
                    return Ok(said.clone());
                }
            }
        }
        answer
    }
}

impl<V> Table<V> {
    /// Pauses when too many different ones in a row were not answered.
    fn note(&mut self, about: About, is_answered: bool, now: Instant) {
        if is_answered {
            self.silent.clear();
            self.paused_until = None;
            return;
        }
        if !self.silent.contains(&about) && self.silent.len() < SILENT_MAX {
            self.silent.push(about);
        }
        if self.silent.len() >= SILENT_MAX {
            self.paused_until = Some(now + PAUSE);
        }
    }

    fn row(&mut self, about: About) -> &mut Row<V> {
        if !self.rows.contains_key(&about) {
            while self.order.len() >= KEPT_MAX {
                if let Some(oldest) = self.order.pop_front() {
                    self.rows.remove(&oldest);
                }
            }
            self.order.push_back(about);
        }
        self.rows.entry(about).or_insert(Row {
            said: None,
            asking: None,
            again_at: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    const LASTING: Lasting = Lasting {
        fresh: Duration::from_secs(60),
        stale: Duration::from_secs(600),
    };

    struct Other {
        asked: Arc<AtomicUsize>,
        answers: bool,
    }

    impl Other {
        fn ask(&self) -> BoxFuture<'static, Result<u8, Unanswered>> {
            let (asked, answers) = (Arc::clone(&self.asked), self.answers);
            async move {
                asked.fetch_add(1, Ordering::Relaxed);
                if answers { Ok(7) } else { Err(Unanswered) }
            }
            .boxed()
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::Relaxed)
        }
    }

    async fn get(kept: &Arc<AskedBefore<u8>>, about: u8, other: &Other) -> Result<u8, Unanswered> {
        match kept.get([about; 32], || other.ask()) {
            Answered::Known(said) => said,
            Answered::Asking(asking) => asking.await,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_asked_for_once_and_outlives_an_outage_for_a_while() {
        let kept = AskedBefore::new(|_| LASTING);
        let mut other = Other {
            asked: Arc::default(),
            answers: true,
        };
        let both = futures_util::future::join(get(&kept, 1, &other), get(&kept, 1, &other));
        assert_eq!(both.await, (Ok(7), Ok(7)));
        assert_eq!((get(&kept, 1, &other).await, other.asked()), (Ok(7), 1));
        tokio::time::advance(Duration::from_secs(61)).await;
        other.answers = false;
        assert_eq!((get(&kept, 1, &other).await, other.asked()), (Ok(7), 2));
        // Nobody is asked in vain again and again.
        assert_eq!((get(&kept, 1, &other).await, other.asked()), (Ok(7), 2));
        for (about, asked) in [(2, 3), (3, 4), (4, 4), (5, 4)] {
            assert_eq!(get(&kept, about, &other).await, Err(Unanswered));
            assert_eq!(other.asked(), asked, "the third is the last for now");
        }
        tokio::time::advance(Duration::from_secs(540)).await;
        assert_eq!(get(&kept, 1, &other).await, Err(Unanswered));
        other.answers = true;
        tokio::time::advance(PAUSE).await;
        let asked = other.asked();
        assert_eq!(get(&kept, 1, &other).await, Ok(7));
        assert_eq!(other.asked(), asked + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_nobody_can_answer_holds_no_other_up() {
        let kept = AskedBefore::new(|_| LASTING);
        let mut other = Other {
            asked: Arc::default(),
            answers: false,
        };
        for n in 0..20_u8 {
            other.answers = false;
            assert_eq!(get(&kept, 1, &other).await, Err(Unanswered));
            other.answers = true;
            assert_eq!(get(&kept, 10 + n, &other).await, Ok(7));
        }
        assert_eq!(other.asked(), 21, "it was asked about once, and 20 others");
        // Many tries of one make no pause either.
        other.answers = false;
        for _ in 0..2 * SILENT_MAX {
            tokio::time::advance(PAUSE).await;
            assert_eq!(get(&kept, 1, &other).await, Err(Unanswered));
        }
        other.answers = true;
        assert_eq!(get(&kept, 99, &other).await, Ok(7));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let kept = AskedBefore::new(|_| LASTING);
        let other = Other {
            asked: Arc::default(),
            answers: true,
        };
        for n in 0..KEPT_MAX + 10 {
            let mut about = [0; 32];
            about[..8].copy_from_slice(&n.to_le_bytes());
            if let Answered::Asking(asking) = kept.get(about, || other.ask()) {
                let _ = asking.await;
            }
        }
        let table = kept.table.lock();
        assert_eq!((table.rows.len(), table.order.len()), (KEPT_MAX, KEPT_MAX));
    }
}
