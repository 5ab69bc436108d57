//! `--cache-from` and `--cache-to`: where steps of other machines are, and where ours go.

use wharfie_engine::build::{CachePlace, CacheTo};
use wharfie_oci::Reference;

use super::fields::fields;
use crate::failure::{Failure, Result};

/// What a cache is called in a layout if nobody says otherwise.
const TAG: &str = "latest";

/// The value of `--cache-from`: one place with its options, or names of registries.
pub(super) fn from(text: &str) -> Result<Vec<CachePlace>> {
    let listed = fields(text);
    if listed.len() < 2 || listed.iter().any(|(_, value)| value.is_some()) {
        return one(Options::read(text)).map(|place| vec![place]);
    }
    listed.into_iter().map(|(name, _)| one(Options { text, fields: vec![("ref".to_owned(), Some(name))] })).collect()
}

fn one(mut options: Options<'_>) -> Result<CachePlace> {
    let place = match options.take("type").as_deref() {
        None | Some("registry") => CachePlace::Registry(options.reference()?),
        Some("local") => CachePlace::Local(options.required("src")?.into(), options.tag()),
        Some(other) => return Err(options.bad(&unsupported(other))),
    };
    options.end()?;
    Ok(place)
}

/// The value of `--cache-to`.
pub(super) fn to(text: &str) -> Result<CacheTo> {
    let mut options = Options::read(text);
    let place = match options.take("type").as_deref() {
        None | Some("registry") => CachePlace::Registry(options.reference()?),
        Some("local") => CachePlace::Local(options.required("dest")?.into(), options.tag()),
        Some("inline") => CachePlace::Inline,
        Some(other) => return Err(options.bad(&unsupported(other))),
    };
    let all = match options.take("mode").as_deref() {
        None | Some("min") => false,
        Some("max") => true,
        Some(other) => return Err(options.bad(&format!("invalid mode {other:?}: must be min or max"))),
    };
    let mounts = options.switch("mounts")?.unwrap_or(false);
    // It is made so in any case.
    for always in ["image-manifest", "oci-mediatypes"] {
        if options.switch(always)? == Some(false) {
            return Err(options.bad(&format!("{always} cannot be turned off")));
        }
    }
    if mounts && place == CachePlace::Inline {
        return Err(options.bad("an image has no room for cache mounts"));
    }
    options.end()?;
    Ok(CacheTo { to: place, all, mounts })
}

fn unsupported(kind: &str) -> String {
    format!("unsupported type {kind:?}: must be registry, local or inline")
}

struct Options<'a> {
    text: &'a str,
    fields: Vec<(String, Option<String>)>,
}

impl<'a> Options<'a> {
    fn read(text: &'a str) -> Self {
        let fields = match fields(text).as_slice() {
            // A bare name is a registry's.
            [(name, None)] => vec![("ref".to_owned(), Some(name.clone()))],
            listed => listed.to_vec(),
        };
        Self { text, fields }
    }

    fn take(&mut self, key: &str) -> Option<String> {
        let at = self.fields.iter().position(|(name, _)| name == key)?;
        self.fields.remove(at).1
    }

    fn switch(&mut self, key: &str) -> Result<Option<bool>> {
        match self.take(key).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(self.bad(&format!("invalid value {other:?} of {key}: must be true or false"))),
        }
    }

    fn required(&mut self, key: &str) -> Result<String> {
        match self.take(key) {
            Some(value) if !value.is_empty() => Ok(value),
            _ => Err(self.bad(&format!("{key} is required"))),
        }
    }

    fn tag(&mut self) -> String {
        self.take("tag").unwrap_or_else(|| TAG.to_owned())
    }

    fn reference(&mut self) -> Result<Reference> {
        let name = self.required("ref")?;
        let reference = name.parse::<Reference>().map_err(|why| self.bad(&why.to_string()))?;
        Ok(reference.or_latest())
    }

    fn end(self) -> Result {
        match self.fields.first() {
            None => Ok(()),
            Some((key, _)) => Err(self.bad(&format!("unknown option {key:?}"))),
        }
    }

    fn bad(&self, why: &str) -> Failure {
        Failure::new(format!("ERROR: invalid cache {:?}: {why}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let shown = |text| {
            let places = |places: Vec<CachePlace>| places.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            from(text).map_or_else(|why| why.text, places)
        };
        assert_eq!(shown("web:1,r.example/web"), "docker.io/library/web:1 r.example/web:latest");
        assert_eq!(shown("user/app:cache"), "docker.io/user/app:cache");
        assert_eq!(shown("type=registry,ref=r.example/a"), "r.example/a:latest");
        assert_eq!(shown("type=local,src=/c,tag=main"), "local:/c:main");
        assert_eq!(
            shown("type=gha"),
            "ERROR: invalid cache \"type=gha\": unsupported type \"gha\": must be registry, local or inline"
        );
        assert_eq!(shown("type=local"), "ERROR: invalid cache \"type=local\": src is required");
        let goal = to("type=local,dest=/c,mode=max,mounts=true").unwrap();
        assert!(goal.all && goal.mounts);
        assert!(to("type=inline,mounts=true").is_err() && to("type=local,dest=/c,compression=zstd").is_err());
    }
}
