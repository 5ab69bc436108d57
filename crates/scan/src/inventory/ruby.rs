//! Installed gems. Their specifications are programs, but RubyGems writes all of them in one shape.
//! Source: RubyGems, `Gem::Specification#to_ruby`.

use super::MAX_DOCUMENT;
use crate::content::{Content, Result, read_all, text};
use crate::package::{Package, PackageKind};

/// The gem of an installed `.gemspec`.
pub(super) fn read(content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_all(content, MAX_DOCUMENT)?;
    let mut package = Package { kind: PackageKind::Gem, ..Package::default() };
    let text = text(&bytes);
    for line in text.lines() {
        let Some((left, right)) = line.split_once('=') else { continue };
        let Some((_, field)) = left.trim().split_once('.') else { continue };
        let mut words = quoted(right);
        match field {
            "name" if package.name.is_empty() => package.name = words.next().unwrap_or_default(),
            "version" if package.version.is_empty() => package.version = words.next().unwrap_or_default(),
            "licenses" | "license" => package.licences.extend(words),
            "authors" => package.supplier = words.collect::<Vec<_>>().join(", "),
            _ => {}
        }
    }
    if !package.name.is_empty() && !package.version.is_empty() {
        packages.push(package);
    }
    Ok(())
}

/// The texts in quotes on a line.
fn quoted(line: &str) -> impl Iterator<Item = String> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let from = rest.find(['"', '\''])?;
        let quote = char::from(rest.as_bytes()[from]);
        let inner = &rest[from + 1..];
        let end = inner.find(quote)?;
        rest = &inner[end + 1..];
        Some(inner[..end].to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gems_say_what_they_are() {
        let spec = b"# stub: rack 2.2.3 ruby lib\nGem::Specification.new do |s|\n  s.name = \"rack\".freeze\n  s.version = \"2.2.3\"\n  s.required_ruby_version = Gem::Requirement.new(\">= 2\")\n  s.licenses = [\"MIT\".freeze, 'Ruby']\n  s.authors = [\"Leah\".freeze]\nend\n".to_vec();
        let mut packages = Vec::new();
        read(&spec, &mut packages).unwrap();
        let package = &packages[0];
        assert_eq!((package.name.as_str(), package.version.as_str()), ("rack", "2.2.3"));
        assert_eq!(package.licences, ["MIT", "Ruby"]);
        read(&b"s.name = \"x\ns.version = '1".to_vec(), &mut packages).unwrap();
        assert_eq!(packages.len(), 1);
    }
}
