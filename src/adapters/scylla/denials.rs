//! Who and what is not let in.
//!
//! All of it is one partition, whose static `version` is what every change is conditional on: a
//! change reads the version and the row that it is about, and writes both only if the version is
//! still the same. So changes come one after the other, whichever server makes them, and none
//! is without a new version. They are rare: an administrator makes them by hand.

use async_trait::async_trait;
use bedside_actors::ports::{
    identity::TokenId,
    store::{
        Denial, DenialRecord, DenialStore, Denials, DenialsVersion, StoreResult, denials::place,
    },
};
use bedside_protocol::{Timestamp, UserId};
use scylla::{serialize::row::SerializeRow, value::CqlTimestamp};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    CqlStore,
    cql::{Cql, Query, unavailable},
    values::{at, odd, time, user_id as parse_user_id},
};

const VERSION: Query = Query::read("SELECT version FROM denials WHERE list = 'all' LIMIT 1");
const VERSION_NOW: Query = Query::serial("SELECT version FROM denials WHERE list = 'all' LIMIT 1");
const ALL: Query = Query::read(
    "SELECT kind, id, issued_before, at, actor, reason FROM denials WHERE list = 'all'",
);
const ONE_NOW: Query = Query::serial(
    "SELECT issued_before, at FROM denials WHERE list = 'all' AND kind = ? AND id = ?",
);
const FIRST_CHANGE: Query =
    Query::conditional("UPDATE denials SET version = ? WHERE list = 'all' IF version = null");
const CHANGE: Query =
    Query::conditional("UPDATE denials SET version = ? WHERE list = 'all' IF version = ?");
const PUT: Query = Query::conditional(
    "INSERT INTO denials (list, kind, id, issued_before, at, actor, reason)
     VALUES ('all', ?, ?, ?, ?, ?, ?)",
);
const DELETE: Query =
    Query::conditional("DELETE FROM denials WHERE list = 'all' AND kind = ? AND id = ?");

#[async_trait]
impl DenialStore for CqlStore {
    async fn deny(&self, record: DenialRecord) -> StoreResult<()> {
        self.run(async move |core| deny(&core.cql, &record).await)
            .await
    }

    async fn unblock(&self, user_id: UserId) -> StoreResult<bool> {
        self.run(async move |core| unblock(&core.cql, &user_id).await)
            .await
    }

    async fn denials_version(&self) -> StoreResult<DenialsVersion> {
        self.run(async move |core| version(&core.cql).await).await
    }

    async fn denials(&self) -> StoreResult<Denials> {
        self.run(async move |core| all(&core.cql).await).await
    }
}

async fn deny(cql: &Cql, record: &DenialRecord) -> StoreResult<()> {
    let (kind, id) = place(&record.denial);
    let (before, reason) = match &record.denial {
        Denial::Issued { before, .. } => (Some(*before), None),
        Denial::Token(_) => (None, None),
        Denial::Block { reason, .. } => (None, Some(reason.as_str())),
    };
    let row = (
        kind,
        id,
        before.map(at),
        at(record.at),
        record.by.as_str(),
        reason,
    );
    let stands = |found: &Found| match before {
        // A try of this call's own that was not answered reads as what stands already.
        Some(before) => found.before >= Some(before),
        None if kind == "token" => true,
        None => false,
    };
    change(cql, (kind, id), PUT, row, |found| {
        found.is_none_or(|found| !stands(found))
    })
    .await
    .map(|_| ())
}

/// Whether there was a block. A try of its own that was not answered counts as such.
async fn unblock(cql: &Cql, user_id: &UserId) -> StoreResult<bool> {
    let place = ("block", user_id.as_str());
    let changed = change(cql, place, DELETE, place, |found| found.is_some());
    changed.await
}

/// What is there of a denial.
struct Found {
    before: Option<Timestamp>,
}

/// Makes a change, unless what is there says that there is none to be made; whether it was made,
/// or tried without an answer.
async fn change(
    cql: &Cql,
    place: (&str, &str),
    query: Query,
    row: impl SerializeRow + Copy,
    is_needed: impl Fn(Option<&Found>) -> bool,
) -> StoreResult<bool> {
    let until = cql.until();
    let mut was_tried = false;
    loop {
        let known = now(cql).await?;
        let found = cql
            .first::<(Option<CqlTimestamp>, Option<CqlTimestamp>)>(ONE_NOW, place)
            .await?;
        let found = found.map(|(before, _)| Found {
            before: before.map(time),
        });
        if !is_needed(found.as_ref()) {
            return Ok(was_tried);
        }
        let next = Uuid::new_v4();
        let applied = match known {
            None => {
                let values = ((next,), row);
                cql.apply_together(&[FIRST_CHANGE, query], values).await
            }
            Some(known) => {
                let values = ((next, known), row);
                cql.apply_together(&[CHANGE, query], values).await
            }
        };
        match applied {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => was_tried = true,
        }
        if Instant::now() > until {
            return Err(unavailable("too many changes of whom to keep out at once"));
        }
        cql.pause().await;
    }
}

async fn now(cql: &Cql) -> StoreResult<Option<Uuid>> {
    let found = cql.first::<(Option<Uuid>,)>(VERSION_NOW, ()).await?;
    Ok(found.and_then(|(version,)| version))
}

async fn version(cql: &Cql) -> StoreResult<DenialsVersion> {
    let found = cql.first::<(Option<Uuid>,)>(VERSION, ()).await?;
    Ok(found
        .and_then(|(version,)| version)
        .map_or(0, |id| id.as_u128()))
}

type Row = (
    // No row but the static column: the last denial was lifted.
    Option<String>,
    Option<String>,
    Option<CqlTimestamp>,
    Option<CqlTimestamp>,
    Option<String>,
    Option<String>,
);

/// The version first: a change that comes while the rows are read shows in the next look.
async fn all(cql: &Cql) -> StoreResult<Denials> {
    let version = version(cql).await?;
    let rows = cql.rows::<Row>(ALL, ()).await?.into_iter();
    let records = rows.filter_map(record);
    Ok(Denials {
        version,
        records: records.collect::<StoreResult<_>>()?,
    })
}

fn record(row: Row) -> Option<StoreResult<DenialRecord>> {
    let (Some(kind), Some(id), before, Some(at), Some(by), reason) = row else {
        return None;
    };
    let record = || {
        let denial = match kind.as_str() {
            "issued" => Denial::Issued {
                user_id: parse_user_id(&id)?,
                before: before.map(time).ok_or_else(|| odd("denial"))?,
            },
            "token" => Denial::Token(TokenId::new(&id).ok_or_else(|| odd("token id"))?),
            "block" => Denial::Block {
                user_id: parse_user_id(&id)?,
                reason: reason.unwrap_or_default(),
            },
            _ => return Err(odd("denial")),
        };
        Ok(DenialRecord {
            denial,
            at: time(at),
            by: parse_user_id(&by)?,
        })
    };
    Some(record())
}
