//! The attributes of targets: what type each has, and where it goes.

use std::collections::BTreeMap;

use super::entries::{self, Attest, CacheEntry, Entry, Export, Secret, SshKey};
use super::{Group, Policy, Resources, Target};
use crate::value::{Type, Value, convert};

/// What an attribute is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Texts,
    TextsByName,
    Truth,
    Attests,
    Caches,
    Exports,
    Secrets,
    Keys,
    Policies,
    Resources,
}

const TARGET: &[(&str, Form)] = &[
    ("description", Form::Text),
    ("inherits", Form::Texts),
    ("annotations", Form::Texts),
    ("attest", Form::Attests),
    ("context", Form::Text),
    ("contexts", Form::TextsByName),
    ("dockerfile", Form::Text),
    ("dockerfile-inline", Form::Text),
    ("args", Form::TextsByName),
    ("labels", Form::TextsByName),
    ("tags", Form::Texts),
    ("cache-from", Form::Caches),
    ("cache-to", Form::Caches),
    ("target", Form::Text),
    ("secret", Form::Secrets),
    ("ssh", Form::Keys),
    ("platforms", Form::Texts),
    ("output", Form::Exports),
    ("pull", Form::Truth),
    ("no-cache", Form::Truth),
    ("network", Form::Text),
    ("no-cache-filter", Form::Texts),
    ("shm-size", Form::Text),
    ("ulimits", Form::Texts),
    ("resources", Form::Resources),
    ("call", Form::Text),
    ("entitlements", Form::Texts),
    ("extra-hosts", Form::TextsByName),
    ("policy", Form::Policies),
];

const GROUP: &[(&str, Form)] = &[("description", Form::Text), ("targets", Form::Texts)];

fn schema(kind: &str) -> &'static [(&'static str, Form)] {
    if kind == "group" { GROUP } else { TARGET }
}

/// True if blocks of this kind have such an attribute. Others are ignored.
pub(crate) fn is_known(kind: &str, name: &str) -> bool {
    schema(kind).iter().any(|(known, _)| *known == name)
}

/// An attribute's value as one of its type.
pub(crate) fn typed(kind: &str, name: &str, value: Value) -> Result<Value, String> {
    let Some((_, form)) = schema(kind).iter().find(|(known, _)| *known == name) else { return Ok(value) };
    if value == Value::Null {
        return Ok(empty(name, *form));
    }
    match form {
        Form::Text => convert(value, &Type::String),
        Form::Truth => convert(value, &Type::Bool),
        Form::Texts => {
            let list = convert(value, &Type::List(Box::new(Type::String)))?;
            without_null(list)
        }
        Form::TextsByName => {
            let map = convert(value, &Type::texts_by_name())?;
            if name == "contexts" { without_null(map) } else { Ok(map) }
        }
        Form::Attests => entries::from_value::<Attest>(&value).map(|all| entries::to_value(&all)),
        Form::Caches => entries::from_value::<CacheEntry>(&value).map(|all| entries::to_value(&all)),
        Form::Exports => entries::from_value::<Export>(&value).map(|all| entries::to_value(&all)),
        Form::Secrets => entries::from_value::<Secret>(&value).map(|all| entries::to_value(&all)),
        Form::Keys => entries::from_value::<SshKey>(&value).map(|all| entries::to_value(&all)),
        Form::Policies => entries::from_value::<Policy>(&value).map(|all| entries::to_value(&all)),
        Form::Resources => Resources::from_value(&value).map(|limits| limits.value()),
    }
}

/// What others see of a block: its attributes, those included that it does not mention.
pub(crate) fn object(kind: &str, name: &str, attributes: &BTreeMap<String, Value>) -> Value {
    let mut fields: BTreeMap<_, _> =
        schema(kind).iter().map(|(name, form)| ((*name).to_owned(), empty(name, *form))).collect();
    fields.extend(attributes.clone());
    fields.insert("name".to_owned(), Value::text(name));
    Value::Object(fields)
}

/// What stands for an attribute that is not mentioned.
fn empty(name: &str, form: Form) -> Value {
    match form {
        _ if name == "description" => Value::text(""),
        Form::Attests | Form::Caches | Form::Exports | Form::Policies => Value::List(Type::texts_by_name(), Vec::new()),
        Form::Secrets => Value::List(Secret::kind(), Vec::new()),
        Form::Keys => Value::List(SshKey::kind(), Vec::new()),
        _ => Value::Null,
    }
}

fn without_null(value: Value) -> Result<Value, String> {
    let has_null = match &value {
        Value::List(_, elements) => elements.contains(&Value::Null),
        Value::Map(_, fields) => fields.values().any(|field| *field == Value::Null),
        _ => false,
    };
    if has_null { Err("must not be null".to_owned()) } else { Ok(value) }
}

/// The group that a block is.
pub(crate) fn group(name: &str, attributes: &BTreeMap<String, Value>) -> Group {
    let texts = attributes.get("targets").and_then(texts).unwrap_or_default();
    let description = attributes.get("description").and_then(text).unwrap_or_default();
    Group { name: name.to_owned(), description, targets: texts }
}

/// The target that a block is. Its values are typed, so that none is refused here.
pub(crate) fn target(name: &str, attributes: &BTreeMap<String, Value>) -> Target {
    let mut made = Target { name: name.to_owned(), ..Target::default() };
    for (name, value) in attributes {
        match name.as_str() {
            "description" => made.description = text(value).unwrap_or_default(),
            "inherits" => made.inherits = texts(value).unwrap_or_default(),
            "annotations" => made.annotations = texts(value).unwrap_or_default(),
            "attest" => made.attest = all(value),
            "context" => made.context = text(value),
            "contexts" => made.contexts = by_name(value),
            "dockerfile" => made.dockerfile = text(value),
            "dockerfile-inline" => made.dockerfile_inline = text(value),
            "args" => made.args = by_name(value),
            "labels" => made.labels = by_name(value),
            "tags" => made.tags = texts(value),
            "cache-from" => made.cache_from = all(value),
            "cache-to" => made.cache_to = Some(all(value)),
            "target" => made.target = text(value),
            "secret" => made.secrets = all(value),
            "ssh" => made.ssh = all(value),
            "platforms" => made.platforms = texts(value),
            "output" => made.outputs = Some(all(value)),
            "pull" => made.pull = truth(value),
            "no-cache" => made.no_cache = truth(value),
            "network" => made.network = text(value),
            "no-cache-filter" => made.no_cache_filter = texts(value).unwrap_or_default(),
            "shm-size" => made.shm_size = text(value),
            "ulimits" => made.ulimits = texts(value).unwrap_or_default(),
            "resources" => made.resources = Resources::from_value(value).ok(),
            "call" => made.call = text(value),
            "entitlements" => made.entitlements = texts(value).unwrap_or_default(),
            "extra-hosts" => made.extra_hosts = by_name(value),
            "policy" => made.policy = all(value),
            _ => {}
        }
    }
    made
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn truth(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.sequence().map(|elements| elements.iter().filter_map(text).collect())
}

/// Null ones are not there.
fn by_name(value: &Value) -> BTreeMap<String, String> {
    let fields = value.fields().into_iter().flatten();
    fields.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect()
}

fn all<E: Entry>(value: &Value) -> Vec<E> {
    entries::from_value(value).unwrap_or_default()
}
