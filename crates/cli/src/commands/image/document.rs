//! The document that `inspect` shows of an image.

use std::collections::BTreeMap;

use wharfie_engine::inspect::Inspected;
use wharfie_oci::config::{ContainerConfig, Empty, Healthcheck};
use wharfie_oci::{ImageId, Reference, Timestamp};

use crate::context::moment;
use crate::render::value::{Field, Value};

/// An image as `docker inspect` prints it, in its order of fields.
pub(crate) fn document(inspected: &Inspected) -> Value {
    let Inspected { image, config, tags, digests, layers } = inspected;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let comment = match text(&config.comment) {
        comment if comment.is_empty() => {
            config.history.last().and_then(|entry| entry.comment.clone()).unwrap_or_default()
        }
        comment => comment,
    };
    let mut fields = vec![
        Field::named("ID", "Id", image.id.as_str()),
        Field::new("RepoTags", names(tags)),
        Field::new("RepoDigests", names(digests)),
        Field::new("Parent", image.parent.as_ref().map(ImageId::as_str).unwrap_or_default()),
        Field::new("Comment", comment),
    ];
    match &config.created {
        Some(created) => fields.push(Field::new("Created", created_text(created))),
        None => fields.push(Field::named("Created", "", "")),
    }
    fields.extend([
        Field::new("DockerVersion", text(&config.docker_version)),
        Field::new("Author", text(&config.author)),
        Field::new("Config", container_config(config.config.as_ref())),
        Field::new("Architecture", config.architecture.as_str()),
        optional("Variant", config.variant.as_deref().unwrap_or_default()),
        Field::new("Os", config.os.as_str()),
        optional("OsVersion", config.os_version.as_deref().unwrap_or_default()),
        Field::new("Size", integer(image.size)),
        Field::new(
            "GraphDriver",
            Value::document(vec![Field::new("Data", Value::Nil), Field::new("Name", "overlay2")]),
        ),
        Field::new(
            "RootFS",
            Value::document(vec![
                Field::new("Type", "layers"),
                Field::new("Layers", Value::list(layers.iter().map(|layer| Value::str(layer.diff_id.as_str())))),
            ]),
        ),
        Field::new(
            "Metadata",
            Value::document(vec![Field::new(
                "LastTagTime",
                Value::Time(moment(image.tagged_at.unwrap_or(Timestamp::ZERO))),
            )]),
        ),
    ]);
    Value::document(fields)
}

/// RFC 3339 as docker prints it: in UTC where it can be read, as it stands where it cannot.
fn created_text(created: &str) -> String {
    created.parse::<Timestamp>().map_or_else(|_| created.to_owned(), |moment| moment.to_string())
}

fn names(references: &[Reference]) -> Value {
    Value::list(references.iter().map(|reference| Value::from(reference.familiar())))
}

fn integer(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A field that JSON leaves out when it is empty, and templates do not.
fn optional(name: &'static str, text: &str) -> Field {
    Field::named(name, if text.is_empty() { "" } else { name }, text)
}

fn texts(name: &'static str, list: Option<&Vec<String>>) -> Field {
    match list {
        Some(list) => Field::new(name, Value::list(list.iter().map(Value::str))),
        None => Field::named(name, "", Value::List(None)),
    }
}

fn set(name: &'static str, set: Option<&BTreeMap<String, Empty>>) -> Field {
    match set {
        Some(set) => Field::new(name, Value::map(set.keys().map(|key| (key.as_str(), Value::document(vec![]))))),
        None => Field::named(name, "", Value::Map(None)),
    }
}

/// How containers run. What is absent is absent in JSON; templates find it empty, and the names of old docker's
/// container settings too, because scripts ask for them.
pub(crate) fn container_config(config: Option<&ContainerConfig>) -> Value {
    let empty = ContainerConfig::default();
    let config = config.unwrap_or(&empty);
    let labels = match &config.labels {
        Some(labels) => Field::new("Labels", Value::map(labels.iter().map(|(k, v)| (k.as_str(), Value::str(v))))),
        None => Field::named("Labels", "", Value::Map(None)),
    };
    let mut fields = vec![
        optional("User", &config.user),
        set("ExposedPorts", config.exposed_ports.as_ref()),
        texts("Env", config.env.as_ref()),
        texts("Entrypoint", config.entrypoint.as_ref()),
        texts("Cmd", config.cmd.as_ref()),
        set("Volumes", config.volumes.as_ref()),
        optional("WorkingDir", &config.working_dir),
        labels,
        optional("StopSignal", config.stop_signal.as_deref().unwrap_or_default()),
        match config.args_escaped {
            true => Field::new("ArgsEscaped", true),
            false => Field::named("ArgsEscaped", "", false),
        },
        match &config.healthcheck {
            Some(check) => Field::new("Healthcheck", healthcheck(check)),
            None => Field::named("Healthcheck", "", Value::Nil),
        },
        texts("OnBuild", config.on_build.as_ref()),
        texts("Shell", config.shell.as_ref()),
    ];
    fields.extend(["Hostname", "Domainname", "Image"].map(|name| Field::named(name, "", "")));
    fields.extend(
        ["Tty", "OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr"]
            .map(|name| Field::named(name, "", false)),
    );
    Value::document(fields)
}

fn healthcheck(check: &Healthcheck) -> Value {
    let mut fields = vec![texts("Test", check.test.as_ref())];
    for (name, number) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        fields.push(Field::named(name, if number == 0 { "" } else { name }, Value::Duration(number)));
    }
    fields.push(Field::named("Retries", if check.retries == 0 { "" } else { "Retries" }, check.retries));
    Value::document(fields)
}
