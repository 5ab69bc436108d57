//! Installed packages of npm and its like. Source: npm documentation, "package.json".

use serde::Deserialize;
use serde_json::Value;

use super::MAX_DOCUMENT;
use crate::bounded::Small;
use crate::content::{Content, Result, read_all};
use crate::package::{Package, PackageKind};

/// True if a `package.json` in this folder is that of a package: right below `node_modules`, where Debian puts them, or of what
/// the image was made for. What lies deeper in a package are its tests and examples.
pub(super) fn is_of_package(folder: &str) -> bool {
    let parts: Vec<&str> = folder.split('/').collect();
    match parts.iter().rposition(|part| *part == "node_modules") {
        Some(at) => match parts.get(at + 1) {
            Some(scope) if scope.starts_with('@') => parts.len() == at + 3,
            Some(_) => parts.len() == at + 2,
            None => false,
        },
        None => match folder.strip_prefix("usr/share/nodejs/") {
            Some(rest) => rest.split('/').count() == 1 + usize::from(rest.starts_with('@')),
            None => true,
        },
    }
}

#[derive(Deserialize)]
struct Document {
    name: Option<Small>,
    version: Option<Small>,
    license: Option<Small>,
    licenses: Option<Small>,
    author: Option<Small>,
}

/// The package of a `package.json`; none if it has no name or version.
pub(super) fn read(content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_all(content, MAX_DOCUMENT)?;
    let Ok(document) = serde_json::from_slice::<Document>(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes)) else {
        // Test data of packages has broken ones on purpose.
        return Ok(());
    };
    let (Some(Small(Value::String(name))), Some(Small(Value::String(version)))) = (document.name, document.version)
    else {
        return Ok(());
    };
    let (namespace, name) = match name.split_once('/') {
        Some((scope, name)) if scope.starts_with('@') => (scope.to_owned(), name.to_owned()),
        _ => (String::new(), name),
    };
    let licences =
        [document.license, document.licenses].into_iter().flatten().flat_map(|Small(value)| names(&value)).collect();
    let supplier = document.author.iter().flat_map(|Small(author)| match author {
        Value::String(text) => Some(text.clone()),
        Value::Object(author) => author.get("name").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    });
    let supplier = supplier.take(1).collect();
    if !version.is_empty() {
        packages.push(Package { namespace, licences, supplier, ..Package::new(PackageKind::Npm, name, version) });
    }
    Ok(())
}

/// `"MIT"`, `{"type": "MIT"}`, or a list of those.
pub(super) fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(name) => vec![name.clone()],
        Value::Object(licence) => {
            let name = ["type", "name"].iter().find_map(|key| licence.get(*key)?.as_str());
            name.map(str::to_owned).into_iter().collect()
        }
        Value::Array(list) => list.iter().filter(|one| !one.is_array()).flat_map(names).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let mut packages = Vec::new();
        read(&text.as_bytes().to_vec(), &mut packages).unwrap();
        let all: Vec<_> =
            packages.iter().map(|p| format!("{} {} {}", p.full_name(), p.version, p.licences.join(","))).collect();
        assert_eq!(all.join(";"), expected);
    }

    #[test]
    fn packages_say_what_they_are() {
        check(r#"{"name":"@a/b","version":"1.0.0","license":"MIT"}"#, "@a/b 1.0.0 MIT");
        check(r#"{"name":"c","version":"2","licenses":[{"type":"MIT"},"BSD"],"author":{"name":"x"}}"#, "c 2 MIT,BSD");
        check(r#"{"name":"c"}"#, "");
        check(r#"{"name":"c","version":{}}"#, "");
        check("{", "");
    }

    #[test]
    fn tests_of_packages_are_no_packages() {
        assert!(is_of_package("a/node_modules/b") && is_of_package("node_modules/@a/b") && is_of_package("srv/app"));
        assert!(!is_of_package("node_modules") && !is_of_package("node_modules/a/test/x"));
        assert!(!is_of_package("node_modules/@a") && is_of_package("usr/share/nodejs/@a/b"));
        assert!(!is_of_package("usr/share/nodejs/a/test"));
    }
}
