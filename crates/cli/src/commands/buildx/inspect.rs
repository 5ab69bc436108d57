//! `buildx imagetools inspect`: what is behind a name on a registry.

use wharfie_content::Document;
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Descriptor, Platform, Reference};
use wharfie_remote::RepositoryClient;

use super::{ask, attest};
use crate::commands::manifest::{document, named};
use crate::commands::{Run, choices, template_failure};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::flags::{Arity, Command, Example, Matches, Switch, Text};
use crate::render::template::{Mode, Template};
use crate::render::value::{Field, Value};

const FORMAT: Text = Text::new("format", "Format the output using the given Go template").complete(choices::FORMATS);
const RAW: Switch = Switch::new("raw", "Show original, unformatted JSON manifest");

/// `PROG buildx imagetools inspect`.
pub(super) static COMMAND: Command<Run> = Command {
    about: "Show details of an image in the registry",
    usage: "[OPTIONS] NAME",
    arity: Arity::Exact(1),
    flags: &[FORMAT.flag(), RAW.flag()],
    examples: &[
        Example { text: "The platforms of an image", command: "buildx imagetools inspect alpine:3.20" },
        Example {
            text: "Its digest, for a script",
            command: "buildx imagetools inspect --format '{{.Manifest.Digest}}' alpine:3.20",
        },
    ],
    run: Some(run),
    ..Command::BASE
};

fn run(cx: &Context, matches: &Matches) -> Result {
    let format = matches.get(&FORMAT).filter(|text| !text.is_empty());
    if format.is_some() && matches.get(&RAW) {
        return Err(Failure::new("ERROR: format and raw cannot be used together"));
    }
    let reference = named(&matches.args()[0])?;
    let client = cx.engine()?.remote().repository(reference.repository());
    let fetched = ask(&client, &reference)?;
    if matches.get(&RAW) {
        return cx.print_bytes(&fetched.bytes);
    }
    let Some(format) = format else { return cx.print(&page(&reference, &fetched)) };
    let template = Template::parse(format).map_err(template_failure)?;
    let value = value(&client, &reference, &fetched, format)?;
    cx.line(&template.execute(&value, Mode::Document).map_err(|why| template_failure(why.text))?)
}

fn page(reference: &Reference, fetched: &Document) -> String {
    let Descriptor { media_type, digest, .. } = &fetched.descriptor;
    let mut text = format!("Name:      {}\nMediaType: {media_type}\nDigest:    {digest}\n", reference.canonical());
    if let AnyManifest::Index(index) = &fetched.content {
        text.push_str("\nManifests:\n");
        let repository = reference.repository().canonical();
        for (n, member) in index.manifests.iter().enumerate() {
            if n > 0 {
                text.push('\n');
            }
            text.push_str(&format!(
                "  Name:      {repository}@{}\n  MediaType: {}\n",
                member.digest, member.media_type
            ));
            if let Some(platform) = &member.platform {
                text.push_str(&format!("  Platform:  {platform}\n"));
            }
            if let Some(notes) = &member.annotations {
                text.push_str("  Annotations:\n");
                for (key, value) in notes {
                    text.push_str(&format!("    {key}: {value}\n"));
                }
            }
        }
    }
    text
}

/// What templates see. Attestations are only fetched for those that speak of them.
fn value(client: &RepositoryClient, reference: &Reference, fetched: &Document, format: &str) -> Result<Value> {
    let attested = |word: &str, kind: &str, key: &str| -> Result<Value> {
        let (true, AnyManifest::Index(index)) = (format.contains(word), &fetched.content) else {
            return Ok(Value::Nil);
        };
        let mut found = Vec::new();
        for member in index.manifests.iter().filter(|member| !member.is_attestation()) {
            if let Some(json) = attest::about(client, index, &member.digest, kind, key)? {
                found.push((platform_name(member), Value::from(&json)));
            }
        }
        Ok(several(found))
    };
    Ok(Value::document(vec![
        Field::named("Name", "name", reference.canonical()),
        Field::named("Manifest", "manifest", manifest(fetched)),
        Field::named("Image", "image", images(client, fetched)?),
        Field::named("SBOM", "sbom", attested("SBOM", "https://spdx.dev/", "SPDX")?),
        Field::named("Provenance", "provenance", attested("Provenance", "https://slsa.dev/provenance/", "SLSA")?),
    ]))
}

/// One thing is itself; several are known by their platforms.
fn several(mut found: Vec<(String, Value)>) -> Value {
    match found.len() {
        0 => Value::Nil,
        1 => found.remove(0).1,
        _ => Value::map(found),
    }
}

fn platform_name(member: &Descriptor) -> String {
    member.platform.as_ref().map_or_else(|| member.digest.to_string(), ToString::to_string)
}

fn manifest(fetched: &Document) -> Value {
    let mut fields = descriptor(&fetched.descriptor);
    if let AnyManifest::Index(index) = &fetched.content {
        fields.insert(0, Field::named("SchemaVersion", "schemaVersion", Value::Int(index.schema_version.into())));
        let members = index.manifests.iter().map(|member| Value::document(descriptor(member)));
        fields.push(Field::named("Manifests", "manifests", Value::list(members)));
        if let Some(notes) = &index.annotations {
            fields.push(Field::named("Annotations", "annotations", map(notes)));
        }
    }
    Value::document(fields)
}

fn map(notes: &std::collections::BTreeMap<String, String>) -> Value {
    Value::map(notes.iter().map(|(key, value)| (key.as_str(), Value::str(value))))
}

fn descriptor(of: &Descriptor) -> Vec<Field> {
    let mut fields = vec![
        Field::named("MediaType", "mediaType", of.media_type.as_str()),
        Field::named("Digest", "digest", of.digest.as_str()),
        Field::named("Size", "size", Value::Int(i64::try_from(of.size).unwrap_or(i64::MAX))),
    ];
    if let Some(notes) = &of.annotations {
        fields.push(Field::named("Annotations", "annotations", map(notes)));
    }
    if let Some(Platform { architecture, os, os_version, os_features, variant }) = &of.platform {
        let mut platform = vec![
            Field::named("Architecture", "architecture", architecture.as_str()),
            Field::named("OS", "os", os.as_str()),
        ];
        if let Some(version) = os_version {
            platform.push(Field::named("OSVersion", "os.version", version.as_str()));
        }
        if let Some(features) = os_features {
            platform.push(Field::named("OSFeatures", "os.features", Value::list(features.iter().map(Value::str))));
        }
        if let Some(variant) = variant {
            platform.push(Field::named("Variant", "variant", variant.as_str()));
        }
        fields.push(Field::named("Platform", "platform", Value::document(platform)));
    }
    fields
}

/// The configurations of the images behind a name.
fn images(client: &RepositoryClient, fetched: &Document) -> Result<Value> {
    match &fetched.content {
        AnyManifest::Manifest(manifest) => image(client, &manifest.config),
        AnyManifest::Index(index) => {
            let mut found = Vec::new();
            for member in index.manifests.iter().filter(|member| !member.is_attestation()) {
                let fetched = client.manifest(member.digest.as_str(), Some(member));
                let fetched = fetched.map_err(|why| Failure::because("", &why))?;
                if let AnyManifest::Manifest(manifest) = fetched.content {
                    found.push((platform_name(member), image(client, &manifest.config)?));
                }
            }
            Ok(several(found))
        }
    }
}

/// A configuration, with the names that Go gives its members.
fn image(client: &RepositoryClient, config: &Descriptor) -> Result<Value> {
    if !config.media_type.is_config() {
        return Ok(Value::Nil);
    }
    let json: serde_json::Value = serde_json::from_slice(&document(client, config)?)
        .map_err(|why| Failure::new(format!("cannot read {}: {why}", config.digest)))?;
    let members = [
        ("Created", "created"),
        ("Author", "author"),
        ("Architecture", "architecture"),
        ("Variant", "variant"),
        ("OS", "os"),
        ("Config", "config"),
        ("RootFS", "rootfs"),
        ("History", "history"),
    ];
    let fields = members.into_iter().filter_map(|(go, key)| Some(Field::named(go, key, Value::from(json.get(key)?))));
    Ok(Value::document(fields.collect()))
}
