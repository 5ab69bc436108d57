//! rpm's data bases: one header per package, in one of three kinds of files. The headers are the same in all.

mod bdb;
mod header;
mod log;
mod ndb;
mod sqlite;

use self::header::Header;
pub use self::log::Logged;
use super::{MAX_TEXT, Owners, Reader, is_full};
use crate::content::{Content, Result, Trouble, read_all, text};
use crate::package::{Package, PackageKind, Source};

/// 8 MiB: the largest honest header, of a kernel or of texlive, has four.
const MAX_HEADER: usize = 8 << 20;
/// 100,000 headers.
const MAX_HEADERS: usize = 100_000;

/// 100,000 folders of one package: texlive's have some ten thousand.
const MAX_FOLDERS: usize = 100_000;

/// Packages of a data base.
pub(super) fn read(reader: Reader, content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    each(reader, content, &mut |header| {
        if is_full(packages) {
            return Err(TOO_MANY);
        }
        packages.extend(package(header));
        Ok(())
    })
}

/// Tells `owners` of each package's name and each of its files.
pub(super) fn files(reader: Reader, content: &dyn Content, owners: &mut Owners<'_>) -> Result<()> {
    each(reader, content, &mut |header| {
        let name = header.text(header::NAME);
        let folders: Vec<&[u8]> = header.texts(header::DIR_NAMES).take(MAX_FOLDERS).collect();
        for (file, folder) in header.texts(header::BASE_NAMES).zip(header.numbers(header::DIR_INDEXES)) {
            let folder = folders.get(folder as usize).copied().unwrap_or_default();
            if folder.len() + file.len() <= super::MAX_PATH {
                owners.add(&name, [&text(folder), &text(file)])?;
            }
        }
        Ok(())
    })
}

const TOO_MANY: Trouble = Trouble::Broken("tells of more packages than are looked at");

fn each(reader: Reader, content: &dyn Content, take: &mut dyn FnMut(&Header<'_>) -> Result<()>) -> Result<()> {
    let mut count = 0;
    let mut blob = |bytes: &[u8]| {
        count += 1;
        match Header::parse(bytes) {
            _ if count > MAX_HEADERS => Err(TOO_MANY),
            Some(header) => take(&header),
            None => Ok(()),
        }
    };
    match reader {
        Reader::RpmNdb => ndb::each(content, &mut blob),
        Reader::RpmBdb => bdb::each(content, &mut blob),
        _ => sqlite::each(content, &mut blob),
    }
}

/// The package of a header. Keys are kept in the data base as if they were packages.
fn package(header: &Header<'_>) -> Option<Package> {
    let name = header.text(header::NAME);
    let (version, release) = (header.text(header::VERSION), header.text(header::RELEASE));
    if name.is_empty() || version.is_empty() || name == "gpg-pubkey" {
        return None;
    }
    let epoch = header.numbers(header::EPOCH).next().filter(|epoch| *epoch > 0);
    let epoch = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
    let mut package = Package::new(PackageKind::Rpm, name, format!("{epoch}{version}-{release}"));
    package.architecture = header.text(header::ARCHITECTURE);
    package.supplier = header.text(header::VENDOR);
    package.licences = vec![header.text(header::LICENCE)];
    package.source = source(&header.text(header::SOURCE_RPM), &package);
    Some(package)
}

/// `NAME-VERSION-RELEASE.src.rpm`; `None` if it is called like the package.
fn source(file: &str, package: &Package) -> Option<Source> {
    let stem = file.strip_suffix(".rpm")?;
    let stem = stem.strip_suffix(".src").or_else(|| stem.strip_suffix(".nosrc")).unwrap_or(stem);
    let mut parts = stem.rsplitn(3, '-');
    let (release, version, name) = (parts.next()?, parts.next()?, parts.next()?);
    (name != package.name).then(|| Source { name: name.to_owned(), version: format!("{version}-{release}") })
}

/// 12 fields of a line are looked at: it has ten.
const MAX_FIELDS: usize = 12;

/// Packages of `container-manifest-2`: lines of fields between tabs, as `rpm -qa` was asked to print them:
/// name, version-release, times, vendor, epoch, size, architecture, epoch and source.
pub(super) fn read_manifest(content: &dyn Content, packages: &mut Vec<Package>) -> Result<()> {
    let bytes = read_all(content, MAX_TEXT)?;
    for line in text(&bytes).lines() {
        if is_full(packages) {
            break;
        }
        let fields: Vec<&str> = line.splitn(MAX_FIELDS, '\t').collect();
        let [name, version, _, _, vendor, epoch, _, architecture, ..] = fields[..] else { continue };
        let epoch = Some(epoch).filter(|epoch| epoch.parse::<u32>().is_ok_and(|epoch| epoch > 0));
        let epoch = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
        let mut package = Package::new(PackageKind::Rpm, name, format!("{epoch}{version}"));
        architecture.clone_into(&mut package.architecture);
        vendor.clone_into(&mut package.supplier);
        package.source = fields.get(9).and_then(|file| source(file, &package));
        packages.push(package);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A header with texts and numbers, as rpm writes them.
    pub(crate) fn blob(texts: &[(u32, &str)], numbers: &[(u32, u32)]) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        for (tag, number) in numbers {
            while data.len() % 4 != 0 {
                data.push(0);
            }
            index.push([*tag, 4, data.len() as u32, 1]);
            data.extend(number.to_be_bytes());
        }
        for (tag, text) in texts {
            let list = tag == &header::BASE_NAMES || tag == &header::DIR_NAMES;
            index.push([*tag, if list { 8 } else { 6 }, data.len() as u32, text.split('|').count() as u32]);
            data.extend(text.replace('|', "\0").into_bytes());
            data.push(0);
        }
        let mut blob = Vec::new();
        blob.extend((index.len() as u32).to_be_bytes());
        blob.extend((data.len() as u32).to_be_bytes());
        blob.extend(index.iter().flatten().flat_map(|number| number.to_be_bytes()));
        blob.extend(data);
        blob
    }

    /// Bash, as a package of this release.
    pub(crate) fn bash() -> Vec<u8> {
        let texts = [
            (header::NAME, "bash"),
            (header::VERSION, "5.1"),
            (header::RELEASE, "2.fc38"),
            (header::ARCHITECTURE, "x86_64"),
            (header::SOURCE_RPM, "bash-src-5.1-2.fc38.src.rpm"),
            (header::LICENCE, "GPLv3+"),
            (header::BASE_NAMES, "bash"),
            (header::DIR_NAMES, "/usr/bin/"),
        ];
        blob(&texts, &[(header::EPOCH, 1), (header::DIR_INDEXES, 0)])
    }

    #[test]
    fn headers_are_packages() {
        let bytes = bash();
        let header = Header::parse(&bytes).unwrap();
        let package = package(&header).unwrap();
        assert_eq!((package.version.as_str(), package.architecture.as_str()), ("1:5.1-2.fc38", "x86_64"));
        assert_eq!(package.source.unwrap(), Source { name: "bash-src".to_owned(), version: "5.1-2.fc38".to_owned() });
        let key = blob(&[(header::NAME, "gpg-pubkey"), (header::VERSION, "1"), (header::RELEASE, "1")], &[]);
        assert!(super::package(&Header::parse(&key).unwrap()).is_none());
    }

    #[test]
    fn the_list_of_distroless_images_is_read() {
        let list = "openssl-libs\t1.1.1k-17.cm2\t1653\t1653\tMicrosoft Corporation\t(none)\t1\tx86_64\t0\topenssl-1.1.1k-17.cm2.src.rpm\nshort\t1\n";
        let mut packages = Vec::new();
        read_manifest(&list.as_bytes().to_vec(), &mut packages).unwrap();
        assert_eq!((packages.len(), packages[0].version.as_str()), (1, "1.1.1k-17.cm2"));
        assert_eq!(packages[0].source.as_ref().unwrap().name, "openssl");
    }

    #[test]
    fn packages_without_end_are_not_kept() {
        let mut packages = Vec::new();
        read_manifest(&b"a\tb\t\t\t\t\t\tx\n".repeat(70_000), &mut packages).unwrap();
        assert_eq!(packages.len(), 60_001);
    }
}
