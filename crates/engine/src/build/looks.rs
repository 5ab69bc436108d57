//! What files look like, from outside and from inside: whether something was copied before is known by it.

use rustix::fs::Stat;
use wharfie_layer::entry::Entry;
use wharfie_layer::graft::Witness;
use wharfie_layer::pack::Xattrs;
use wharfie_layer::scan::{Leaf, Visitor};
use wharfie_oci::Digester;
use wharfie_oci::digest::Algorithm;

use super::explain::FileList;

/// What files look like from outside.
pub(super) struct Looks {
    pub(super) digester: Digester,
    /// When the last of them was changed, in nanoseconds since 1970.
    pub(super) youngest: i64,
}

impl Looks {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.digester.update(&(bytes.len() as u64).to_le_bytes());
        self.digester.update(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn stat(&mut self, stat: &Stat) {
        let changed = stat.st_ctime.saturating_mul(1_000_000_000).saturating_add_unsigned(stat.st_ctime_nsec);
        self.youngest = self.youngest.max(changed);
        let numbers = [
            stat.st_dev,
            stat.st_ino,
            stat.st_mode.into(),
            stat.st_nlink,
            stat.st_size.cast_unsigned(),
            stat.st_mtime.cast_unsigned(),
            stat.st_mtime_nsec,
            changed.cast_unsigned(),
        ];
        for number in numbers {
            self.digester.update(&number.to_le_bytes());
        }
    }
}

impl Visitor for Looks {
    fn wants_xattrs(&self) -> bool {
        // They are told by the time of the last change.
        false
    }

    fn directory(&mut self, path: &[u8], stat: &Stat, _: Xattrs) -> wharfie_layer::Result<()> {
        self.bytes(path);
        self.stat(stat);
        Ok(())
    }

    fn leaf(&mut self, path: &[u8], leaf: &Leaf<'_>) -> wharfie_layer::Result<()> {
        if let Some(stat) = leaf.stat()? {
            self.bytes(path);
            self.stat(&stat);
        }
        Ok(())
    }
}

/// The digest of what is written: names, kinds, modes, owners, links and bytes, but no times.
#[derive(Default)]
pub(super) struct Listing {
    whole: Option<Digester>,
    current: Option<(String, Digester)>,
    list: FileList,
}

impl Listing {
    fn close(&mut self) {
        let Some((name, digester)) = self.current.take() else { return };
        let digest = digester.finish();
        let whole = self.whole.get_or_insert_with(|| Digester::new(Algorithm::Sha256));
        whole.update(digest.as_str().as_bytes());
        self.list.add(name, &digest);
    }

    pub(super) fn finish(mut self) -> FileList {
        self.close();
        let whole = self.whole.take().unwrap_or_else(|| Digester::new(Algorithm::Sha256));
        self.list.digest = whole.finish();
        self.list
    }
}

impl Witness for Listing {
    fn entry(&mut self, entry: &Entry) {
        self.close();
        let mut digester = Digester::new(Algorithm::Sha256);
        let mut field = |bytes: &[u8]| {
            digester.update(&(bytes.len() as u64).to_le_bytes());
            digester.update(bytes);
        };
        field(&entry.path);
        field(&entry.link);
        let numbers = [entry.kind as u64, entry.mode.into(), entry.uid.into(), entry.gid.into(), entry.size];
        for number in numbers.into_iter().chain([entry.major.into(), entry.minor.into()]) {
            field(&number.to_le_bytes());
        }
        for (name, value) in &entry.xattrs {
            field(name);
            field(value);
        }
        self.current = Some((String::from_utf8_lossy(&entry.path).into_owned(), digester));
    }

    fn data(&mut self, bytes: &[u8]) {
        if let Some((_, digester)) = &mut self.current {
            digester.update(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listings_know_no_times() {
        let listed = |mtime, mode, data: &[u8]| {
            let mut listing = Listing::default();
            listing.entry(&Entry { path: b"a".to_vec(), mode, mtime, size: data.len() as u64, ..Entry::default() });
            listing.data(data);
            listing.finish().digest
        };
        assert_eq!(listed(1, 0o644, b"x"), listed(2, 0o644, b"x"));
        assert_ne!(listed(1, 0o644, b"x"), listed(1, 0o755, b"x"));
        assert_ne!(listed(1, 0o644, b"x"), listed(1, 0o644, b"y"));
    }
}
