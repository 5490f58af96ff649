//! `/api/v1/users/me/preferences`: what somebody wants their screens to be like.

use crate::http::openapi::{Routes, at, bounds, one, op};
use actix_web::HttpResponse;
use bedside_protocol::{CommandError, Timestamp, UserId};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::{
    auth::Me,
    input::Body,
    parts::{HttpParts, Parts},
    problem::Problem,
};

/// Templates that somebody may keep as favourites.
const FAVORITES_MAX: usize = 50;
/// A template's name, bytes.
const TEMPLATE_BYTES_MAX: usize = 50;
/// A language tag, bytes.
const LANGUAGE_BYTES_MAX: usize = 10;
/// The name of a time zone, bytes.
const TIMEZONE_BYTES_MAX: usize = 50;

/// Under this name in the settings of a person, which may hold more.
const KEY: &str = "preferences";

pub(super) fn routes(routes: &mut Routes<'_>) {
    routes.under("People").add(
        at("/users/me/preferences")
            .get(
                get,
                op("What I want my screens to be like").ok(one::<Row<'static>>),
            )
            .put(
                put,
                op("Change it")
                    .about("What is absent stays; null clears what can be null.")
                    .ok(one::<Row<'static>>),
            ),
    );
}

/// A row of `user_preferences` (003 section 2.13), with its defaults.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
struct Preferences {
    default_template: Option<String>,
    favorite_templates: Vec<String>,
    auto_scribe: bool,
    notifications_enabled: bool,
    email_notifications: bool,
    sms_notifications: bool,
    dark_mode: bool,
    language: String,
    timezone: Option<String>,
    /// Null before the first change.
    updated_at: Option<Timestamp>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            default_template: None,
            favorite_templates: Vec::new(),
            auto_scribe: true,
            notifications_enabled: true,
            email_notifications: true,
            sms_notifications: false,
            dark_mode: false,
            language: "en".to_owned(),
            timezone: None,
            updated_at: None,
        }
    }
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PreferencesOfMine)]
struct Row<'a> {
    user_id: &'a UserId,
    #[serde(flatten)]
    preferences: Preferences,
}

/// What is to change. Null takes away what can be null.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PreferenceChanges)]
struct Changes {
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = bounds::template)]
    default_template: Option<Option<String>>,
    #[schema(schema_with = bounds::templates)]
    favorite_templates: Option<Vec<String>>,
    auto_scribe: Option<bool>,
    notifications_enabled: Option<bool>,
    email_notifications: Option<bool>,
    sms_notifications: Option<bool>,
    dark_mode: Option<bool>,
    #[schema(schema_with = bounds::language)]
    language: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(schema_with = bounds::timezone)]
    timezone: Option<Option<String>>,
}

/// Tells a field that is null from one that is absent.
fn present<'de, D, T>(d: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    Option::<T>::deserialize(d).map(Some)
}

impl Changes {
    fn check(&self) -> Result<(), CommandError> {
        let favorites = self.favorite_templates.iter().flatten();
        let default = self.default_template.iter().flatten();
        if self
            .favorite_templates
            .as_ref()
            .is_some_and(|names| names.len() > FAVORITES_MAX)
        {
            return Err(CommandError::too_large("favoriteTemplates: at most 50"));
        }
        for (field, name) in default
            .map(|name| ("defaultTemplate", name))
            .chain(favorites.map(|name| ("favoriteTemplates", name)))
        {
            check_text(field, name, TEMPLATE_BYTES_MAX, |c| !c.is_control())?;
        }
        if let Some(tag) = &self.language {
            let is_of_tags = |c: char| c.is_ascii_alphanumeric() || c == '-';
            check_text("language", tag, LANGUAGE_BYTES_MAX, is_of_tags)?;
        }
        if let Some(name) = self.timezone.iter().flatten().next() {
            let is_of_zones = |c: char| c.is_ascii_alphanumeric() || "/_+-".contains(c);
            check_text("timezone", name, TIMEZONE_BYTES_MAX, is_of_zones)?;
        }
        Ok(())
    }

    fn apply(self, to: &mut Preferences) {
        fn set<T>(to: &mut T, new: Option<T>) {
            if let Some(new) = new {
                *to = new;
            }
        }
        set(&mut to.default_template, self.default_template);
        set(&mut to.favorite_templates, self.favorite_templates);
        set(&mut to.auto_scribe, self.auto_scribe);
        set(&mut to.notifications_enabled, self.notifications_enabled);
        set(&mut to.email_notifications, self.email_notifications);
        set(&mut to.sms_notifications, self.sms_notifications);
        set(&mut to.dark_mode, self.dark_mode);
        set(&mut to.language, self.language);
        set(&mut to.timezone, self.timezone);
    }
}

fn check_text(
    field: &'static str,
    text: &str,
    bytes_max: usize,
    is_allowed: impl Fn(char) -> bool,
) -> Result<(), CommandError> {
    if text.len() > bytes_max {
        return Err(CommandError::too_large(format!(
            "{field}: at most {bytes_max} bytes"
        )));
    }
    if text.trim().is_empty() || !text.chars().all(is_allowed) {
        return Err(CommandError::invalid(format!(
            "{field}: empty, or with characters that do not belong there"
        )));
    }
    Ok(())
}

/// 200 with the row.
async fn get(parts: Parts, me: Me) -> Result<HttpResponse, Problem> {
    let (_, preferences) = stored(&parts, me.id()).await?;
    Ok(answer(&me, preferences))
}

/// Body: any of the columns; what is absent stays. 200 with the row.
async fn put(parts: Parts, me: Me, body: Body<Changes>) -> Result<HttpResponse, Problem> {
    body.0.check()?;
    let (mut settings, mut preferences) = stored(&parts, me.id()).await?;
    let now = parts.node.clock().now();
    body.0.apply(&mut preferences);
    preferences.updated_at = Some(now);
    let value = serde_json::to_value(&preferences);
    let value = value.expect("preferences are JSON, because they are of plain types only");
    settings.insert(KEY.to_owned(), value);
    let text = Value::Object(settings).to_string();
    let put = parts.node.store().put_settings(me.id().clone(), text, now);
    put.await?;
    Ok(answer(&me, preferences))
}

fn answer(me: &Me, preferences: Preferences) -> HttpResponse {
    HttpResponse::Ok().json(Row {
        user_id: me.id(),
        preferences,
    })
}

/// All settings of a person, and the preferences among them.
async fn stored(
    parts: &HttpParts,
    user_id: &UserId,
) -> Result<(Map<String, Value>, Preferences), Problem> {
    let text = parts.node.store().settings(user_id.clone()).await?;
    let unreadable = |_| CommandError::unavailable("the settings could not be read", 0);
    let settings: Map<String, Value> = match &text {
        Some(text) => serde_json::from_str(text).map_err(unreadable)?,
        None => Map::new(),
    };
    let preferences = match settings.get(KEY) {
        Some(value) => Preferences::deserialize(value).map_err(unreadable)?,
        None => Preferences::default(),
    };
    Ok((settings, preferences))
}
