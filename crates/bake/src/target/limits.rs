//! Limits of steps, and policies that sources follow.

use std::collections::BTreeMap;

use super::entries::Entry;
use crate::csv;
use crate::value::{Number, Type, Value, convert, mismatch};

/// What the steps of a build may use at most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// Memory, as in `512m`.
    pub memory: Option<String>,
    /// Memory and swap together.
    pub memory_swap: Option<String>,
    /// Weight among others.
    pub cpu_shares: Option<i64>,
    /// Length of a period, in microseconds.
    pub cpu_period: Option<i64>,
    /// Time in each period, in microseconds.
    pub cpu_quota: Option<i64>,
    /// Processors, as in `0-3`.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes.
    pub cpuset_mems: Option<String>,
}

impl Resources {
    /// Sets one by its name in files and in `--set`.
    pub(crate) fn set(&mut self, name: &str, value: String) -> Result<(), String> {
        let number = || value.parse().map_err(|_| format!("invalid value {value} for int64 key resources.{name}"));
        match name {
            "cpu-shares" => self.cpu_shares = Some(number()?),
            "cpu-period" => self.cpu_period = Some(number()?),
            "cpu-quota" => self.cpu_quota = Some(number()?),
            "memory" => self.memory = Some(value),
            "memory-swap" => self.memory_swap = Some(value),
            "cpuset-cpus" => self.cpuset_cpus = Some(value),
            "cpuset-mems" => self.cpuset_mems = Some(value),
            _ => return Err(format!("unknown resources key {name}")),
        }
        Ok(())
    }

    /// Adds what `other` says, which decides.
    pub(crate) fn merge(&mut self, other: &Self) {
        let decide = |own: &mut Option<String>, other: &Option<String>| {
            if other.is_some() {
                own.clone_from(other);
            }
        };
        decide(&mut self.memory, &other.memory);
        decide(&mut self.memory_swap, &other.memory_swap);
        decide(&mut self.cpuset_cpus, &other.cpuset_cpus);
        decide(&mut self.cpuset_mems, &other.cpuset_mems);
        self.cpu_shares = other.cpu_shares.or(self.cpu_shares);
        self.cpu_period = other.cpu_period.or(self.cpu_period);
        self.cpu_quota = other.cpu_quota.or(self.cpu_quota);
    }

    /// What an object says.
    pub(crate) fn from_value(value: &Value) -> Result<Self, String> {
        let fields = value.fields().ok_or("object required")?;
        let mut made = Self::default();
        for (name, field) in fields.iter().filter(|(_, field)| **field != Value::Null) {
            let is_number = name.starts_with("cpu-");
            let field = convert(field.clone(), if is_number { &Type::Number } else { &Type::String })
                .map_err(|why| format!("attribute \"{name}\": {why}"))?;
            match field {
                Value::String(text) => match made.set(name, text) {
                    // Fields that are none of these are left alone.
                    Err(_) if !is_number => {}
                    other => other?,
                },
                Value::Number(number) if number.whole().is_some() => made.set(name, number.to_string())?,
                _ => {
                    return Err(
                        "value must be a whole number, between -9223372036854775808 and 9223372036854775807 inclusive"
                            .to_owned(),
                    );
                }
            }
        }
        Ok(made)
    }

    /// As a value that other attributes can refer to.
    pub(crate) fn value(&self) -> Value {
        let text = |text: &Option<String>| Value::maybe(text.as_deref());
        let number = |number: Option<i64>| number.map_or(Value::Null, |one| Value::Number(Number::Whole(one.into())));
        let fields = [
            ("memory", text(&self.memory)),
            ("memory-swap", text(&self.memory_swap)),
            ("cpu-shares", number(self.cpu_shares)),
            ("cpu-period", number(self.cpu_period)),
            ("cpu-quota", number(self.cpu_quota)),
            ("cpuset-cpus", text(&self.cpuset_cpus)),
            ("cpuset-mems", text(&self.cpuset_mems)),
        ];
        Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

/// A policy that sources have to follow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Files with rules.
    pub files: Vec<String>,
    /// True if policies said before do not count.
    pub is_reset: bool,
    /// True if no policy counts.
    pub is_disabled: bool,
    /// Whether what no rule allows is refused.
    pub is_strict: Option<bool>,
    /// How much is told.
    pub log_level: Option<String>,
}

impl Policy {
    /// As a line.
    pub fn line(&self) -> String {
        let mut pairs = csv::Pairs::default();
        self.files.iter().for_each(|file| pairs.add("filename", file));
        for (key, _) in [("reset", self.is_reset), ("disabled", self.is_disabled)].into_iter().filter(|(_, is)| *is) {
            pairs.add(key, "true");
        }
        self.is_strict.iter().for_each(|strict| pairs.add("strict", &strict.to_string()));
        self.log_level.iter().for_each(|level| pairs.add("log-level", level));
        pairs.line()
    }

    fn of(fields: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let mut made = Self::default();
        for (key, value) in fields {
            let field = format!("{key}={value}");
            let truth = || {
                csv::truth(&value).ok_or_else(|| {
                    format!("invalid value {field}: strconv.ParseBool: parsing \"{value}\": invalid syntax")
                })
            };
            match key.trim().to_lowercase().as_str() {
                "filename" if !value.is_empty() => made.files.push(value),
                "reset" => made.is_reset = truth()?,
                "disabled" => made.is_disabled = truth()?,
                "strict" => made.is_strict = Some(truth()?),
                "log-level" => {
                    let levels = ["panic", "fatal", "error", "warn", "warning", "info", "debug", "trace"];
                    if !levels.contains(&value.to_lowercase().as_str()) {
                        return Err(format!("invalid value {field}: not a valid logrus Level: \"{value}\""));
                    }
                    made.log_level = Some(value.to_lowercase().replace("warning", "warn").replace("warn", "warning"));
                }
                _ => return Err(format!("invalid value {field}")),
            }
        }
        Ok(made)
    }
}

impl Entry for Policy {
    fn parse(line: &str) -> Result<Vec<Self>, String> {
        let fields = csv::fields(line)?;
        let pair = |field: &String| {
            let (key, value) = field.split_once('=').ok_or_else(|| format!("invalid value {field}"))?;
            Ok((key.to_owned(), value.to_owned()))
        };
        Ok(vec![Self::of(fields.iter().map(pair).collect::<Result<Vec<_>, String>>()?)?])
    }

    fn from_fields(value: &Value) -> Result<Self, String> {
        let fields = value.fields().ok_or_else(|| mismatch(&value.kind(), &Type::texts_by_name()))?;
        let mut given = BTreeMap::new();
        for (name, field) in fields.iter().filter(|(_, field)| **field != Value::Null && **field != Value::text("")) {
            match convert(field.clone(), &Type::String)? {
                Value::String(text) => drop(given.insert(name.clone(), text)),
                other => return Err(mismatch(&other.kind(), &Type::String)),
            }
        }
        Self::of(given)
    }

    fn value(&self) -> Value {
        if self.files.len() > 1 {
            // A map has one file; a line has them all.
            return Value::String(self.line());
        }
        let truth = |truth: bool| truth.then(|| "true".to_owned());
        let fields = [
            ("filename", self.files.first().cloned()),
            ("reset", truth(self.is_reset)),
            ("disabled", truth(self.is_disabled)),
            ("strict", self.is_strict.map(|strict| strict.to_string())),
            ("log-level", self.log_level.clone()),
        ];
        let fields = fields.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::String(text?))));
        Value::Map(Type::String, fields.collect())
    }
}
