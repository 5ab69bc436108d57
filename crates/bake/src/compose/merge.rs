//! How a later file, or a service that extends another, changes what there is.
//! Source: compose-spec, "Merge".

use super::yaml::{Mapping, Yaml};

/// Names of lists of pairs, which may be mappings too, and add up.
const PAIRS: [&str; 6] = ["args", "additional_contexts", "labels", "extra_hosts", "environment", "env_file"];

/// `over` on top of `base`.
pub(super) fn merge(base: Yaml, over: Yaml, path: &str) -> Result<Yaml, String> {
    let name = path.rsplit('.').next().unwrap_or_default();
    if name == "build" {
        return Ok(Yaml::Map(mappings(as_build(base), as_build(over), path)?));
    }
    if PAIRS.contains(&name) {
        return Ok(Yaml::List(as_pairs(base).into_iter().chain(as_pairs(over)).collect()));
    }
    match (base, over) {
        (base, Yaml::Null) => Ok(base),
        (Yaml::Map(base), Yaml::Map(over)) => mappings(base, over, path).map(Yaml::Map),
        (Yaml::List(base), Yaml::List(over)) => Ok(Yaml::List(base.into_iter().chain(over).collect())),
        (Yaml::Map(_) | Yaml::List(_), _) => Err(format!("cannot override {path}")),
        (_, over) => Ok(over),
    }
}

fn mappings(mut base: Mapping, over: Mapping, path: &str) -> Result<Mapping, String> {
    for (name, value) in over {
        let merged = match base.remove(&name) {
            None => value,
            Some(own) => merge(own, value, &format!("{path}.{name}"))?,
        };
        base.insert(name, merged);
    }
    Ok(base)
}

/// A build that is only a path is one with a context.
pub(super) fn as_build(build: Yaml) -> Mapping {
    match build {
        Yaml::Map(fields) => fields,
        Yaml::Text(context) => Mapping::from([("context".to_owned(), Yaml::Text(context))]),
        _ => Mapping::new(),
    }
}

/// Pairs as a list of `name=value`.
fn as_pairs(value: Yaml) -> Vec<Yaml> {
    match value {
        Yaml::List(elements) => elements,
        one @ Yaml::Text(_) => vec![one],
        Yaml::Map(fields) => fields
            .into_iter()
            .flat_map(|(name, value)| match value {
                Yaml::List(several) => several.into_iter().map(|one| (name.clone(), one)).collect(),
                one => vec![(name, one)],
            })
            .map(|(name, value)| Yaml::Text(value.text().map_or(name.clone(), |text| format!("{name}={text}"))))
            .collect(),
        _ => Vec::new(),
    }
}
