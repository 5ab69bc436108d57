//! What a program of .NET is made of. Source: .NET SDK documentation, "runtime configuration files", `*.deps.json`.

use serde::Deserialize;

use super::{MAX_ENTRIES, MAX_TEXT};
use crate::bounded::Members;
use crate::content::{Content, Result, read_all};
use crate::package::{Package, PackageKind};

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    libraries: Members<Library, MAX_ENTRIES>,
}

#[derive(Deserialize)]
struct Library {
    #[serde(default, rename = "type")]
    kind: String,
}

/// The packages of a `*.deps.json`; a project is the program itself.
pub(super) fn read(content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_all(content, MAX_TEXT)?;
    let document: Document = serde_json::from_slice(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes))?;
    for (key, library) in document.libraries.0 {
        let Some((name, version)) = key.rsplit_once('/') else { continue };
        let name = match library.kind.as_str() {
            "package" => name,
            "runtimepack" => name.strip_prefix("runtimepack.").unwrap_or(name),
            _ => continue,
        };
        packages.push(Package::new(PackageKind::Nuget, name, version));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_runtimes_count() {
        let text = r#"{"targets":{},"libraries":{"App/1.0.0":{"type":"project"},"Newtonsoft.Json/12.0.1":{"type":"package"},
            "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1":{"type":"runtimepack"}}}"#;
        let mut packages = Vec::new();
        read(&text.as_bytes().to_vec(), &mut packages).unwrap();
        let all: Vec<_> = packages.iter().map(|package| format!("{} {}", package.name, package.version)).collect();
        assert_eq!(all, ["Newtonsoft.Json 12.0.1", "Microsoft.NETCore.App.Runtime.linux-x64 8.0.1"]);
    }
}
