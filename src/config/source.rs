//! Where values come from: the environment first, then the file, then the default.

use std::{collections::BTreeMap, fmt, path::Path};

use super::{
    parse::Parsed,
    variable::{self, Variable},
};

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The environment.
    Env,
    /// The configuration file.
    File,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Env => "env",
            Self::File => "file",
        })
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The variable, or the file or key that is none.
    pub variable: String,
    /// What was found; `***` for what may be secret.
    pub found: String,
    /// What would be right.
    pub expected: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: found {}, expected {}",
            self.variable, self.found, self.expected
        )
    }
}

/// Everything that is wrong with the configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<Fault>);

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the configuration has {} fault(s):", self.0.len())?;
        for fault in &self.0 {
            writeln!(f, "  {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigFaults {}

/// A variable's effective value, as `--print-config` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Which one.
    pub variable: &'static Variable,
    /// The value, `***` for a secret, none when it is not set.
    pub shown: Option<String>,
    /// Where it came from.
    pub source: Source,
}

/// Reads variables and collects what is wrong with them.
pub(super) struct Reader<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    file: BTreeMap<&'static str, String>,
    pub(super) settings: Vec<Setting>,
    pub(super) faults: Vec<Fault>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(env: &'a dyn Fn(&str) -> Option<String>, file: Option<&Path>) -> Self {
        let mut faults = Vec::new();
        let file = match file {
            Some(path) => read_file(path, &mut faults),
            None => BTreeMap::new(),
        };
        Self {
            env,
            file,
            settings: Vec::new(),
            faults,
        }
    }

    /// The variable's value, if somebody set it to something. An empty text counts as not set,
    /// as compose files and CI systems write it, but not for `JWT_SECRET`: a secret that got
    /// lost on the way must not turn a clinic's server into a demo.
    fn find(&self, variable: &'static Variable) -> Option<(String, Source)> {
        let counts = |text: &String| !text.is_empty() || variable == variable::JWT_SECRET;
        let from_env = (self.env)(variable.name)
            .filter(counts)
            .map(|text| (text, Source::Env));
        let from_file = || self.file.get(variable.name).cloned().filter(counts);
        from_env.or_else(|| from_file().map(|text| (text, Source::File)))
    }

    /// Reads a variable that may be unset. None also when it is faulty, which is then noted.
    pub(super) fn optional<T>(
        &mut self,
        variable: &'static Variable,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        let found = self.find(variable);
        let (text, source) = match (found, variable.default) {
            (Some(found), _) => found,
            (None, Some(default)) => (default.to_owned(), Source::Default),
            (None, None) => {
                self.note(variable, None, Source::Default);
                return None;
            }
        };
        let value = parse(&text);
        if let Err(expected) = value {
            self.faults.push(Fault {
                variable: format!("{} ({source})", variable.name),
                found: show_found(variable, &text),
                expected: expected.to_owned(),
            });
        }
        self.note(variable, Some(text), source);
        value.ok()
    }

    /// Reads a variable that has a default. A faulty one is noted and the default stands in,
    /// so that the rest can be checked too.
    pub(super) fn required<T>(
        &mut self,
        variable: &'static Variable,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> T {
        self.optional(variable, &parse).unwrap_or_else(|| {
            let default = variable.default.unwrap_or_default();
            parse(default).expect("a default parses, because a test loads them all")
        })
    }

    /// Whether anybody set the variable, well or not.
    pub(super) fn is_set(&self, variable: &'static Variable) -> bool {
        self.find(variable).is_some()
    }

    /// Whether anybody set the variable, be it to nothing.
    pub(super) fn is_named(&self, variable: &'static Variable) -> bool {
        (self.env)(variable.name).is_some() || self.file.contains_key(variable.name)
    }

    /// What the variable is set to, unread.
    pub(super) fn text_of(&self, variable: &'static Variable) -> Option<String> {
        self.find(variable).map(|(text, _)| text)
    }

    /// Notes what is wrong with a variable beside others.
    pub(super) fn fault(&mut self, variable: &Variable, found: &str, expected: &str) {
        self.faults.push(Fault {
            variable: variable.name.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        });
    }

    /// Shows a value that was worked out rather than set.
    pub(super) fn derived(&mut self, variable: &'static Variable, value: String) {
        let unset = self
            .settings
            .iter_mut()
            .find(|s| s.variable == variable && s.shown.is_none());
        if let Some(setting) = unset {
            setting.shown = Some(value);
        }
    }

    fn note(&mut self, variable: &'static Variable, text: Option<String>, source: Source) {
        let shown = text.map(|text| {
            if variable.secret {
                "***".to_owned()
            } else {
                text
            }
        });
        self.settings.push(Setting {
            variable,
            shown,
            source,
        });
    }
}

/// What a fault may repeat: no secret, nothing that looks like a URL with a password in it, and
/// nothing long.
fn show_found(variable: &Variable, text: &str) -> String {
    if variable.secret {
        return format!("*** ({} bytes)", text.len());
    }
    if text.contains('@') {
        return "***".to_owned();
    }
    let short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        format!("{short:?}...")
    } else {
        format!("{short:?}")
    }
}

fn read_file(path: &Path, faults: &mut Vec<Fault>) -> BTreeMap<&'static str, String> {
    let mut values = BTreeMap::new();
    let mut fault = |variable: String, found: String, expected: &str| {
        faults.push(Fault {
            variable,
            found,
            expected: expected.to_owned(),
        });
    };
    let file_name = path.display().to_string();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            fault(file_name, error.kind().to_string(), "a readable TOML file");
            return values;
        }
    };
    let tables: toml::Table = match toml::from_str(&text) {
        Ok(tables) => tables,
        Err(error) => {
            // Only where, since the library's text quotes the line, which may hold a secret.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |text| text.matches('\n').count() + 1);
            let found = format!("something else in line {line}");
            fault(file_name, found, "TOML");
            return values;
        }
    };
    for (section, table) in tables {
        let Some(table) = table.as_table() else {
            fault(section, "a key outside a table".into(), "tables only");
            continue;
        };
        for (key, value) in table {
            let name = format!("{section}.{key} (file)");
            let Some(variable) = variable::ALL.iter().find(|v| v.key() == *key) else {
                fault(name, "an unknown key".into(), "a key of this version");
                continue;
            };
            if variable.section != section {
                let expected = format!("it in [{}]", variable.section);
                fault(name, "a key in the wrong table".into(), &expected);
                continue;
            }
            match as_text(value) {
                Some(text) => {
                    values.insert(variable.name, text);
                }
                None => fault(
                    name,
                    format!("a {}", value.type_str()),
                    "a string, a number, true or false, or a list of strings",
                ),
            }
        }
    }
    values
}

/// A value of the file as the environment would have it.
fn as_text(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(yes.to_string()),
        toml::Value::Array(items) => items
            .iter()
            .map(toml::Value::as_str)
            .collect::<Option<Vec<_>>>()
            .map(|items| items.join(",")),
        _ => None,
    }
}
