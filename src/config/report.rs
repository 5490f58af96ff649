//! What the configuration says about itself.

use std::fmt::Write as _;

use super::{Config, Secret, variable};

impl Config {
    /// The effective configuration as a configuration file, secrets as `***`, with where each
    /// value came from.
    #[must_use]
    pub fn report(&self) -> String {
        let mut out = String::new();
        let mut section = "";
        for setting in &self.settings {
            if setting.variable.section != section {
                section = setting.variable.section;
                let gap = if out.is_empty() { "" } else { "\n" };
                let _ = writeln!(out, "{gap}[{section}]");
            }
            let key = setting.variable.key();
            let _ = match &setting.shown {
                None => writeln!(out, "# {key} is not set"),
                Some(text) => writeln!(out, "{key} = {}  # {}", literal(text), setting.source),
            };
        }
        out
    }
}

/// Numbers and booleans bare, everything else as a TOML string.
fn literal(text: &str) -> String {
    let bare = text == "true" || text == "false" || text.parse::<u32>().is_ok();
    // A leading zero is no TOML number.
    if bare && (text == "0" || !text.starts_with(['0', '+'])) {
        text.to_owned()
    } else {
        toml::Value::String(text.to_owned()).to_string()
    }
}

/// Secrets that stand in documents: long enough, and known to everyone.
const EXAMPLES: [&str; 4] = ["your_", "your-", "super-secure", "change"];

pub(super) fn notices(
    env: &dyn Fn(&str) -> Option<String>,
    jwt_secret: Option<&Secret>,
) -> Vec<String> {
    let not_used = variable::NOT_USED
        .iter()
        .filter(|name| env(name).is_some_and(|text| !text.is_empty()))
        .map(|name| format!("{name} is set but not used by this version"));
    let example = jwt_secret
        .filter(|secret| EXAMPLES.iter().any(|e| secret.expose().starts_with(e)))
        .map(|_| {
            "JWT_SECRET looks like the example of a document: whoever has read it can sign \
             in as anyone; make your own"
                .to_owned()
        });
    example.into_iter().chain(not_used).collect()
}
