//! How often a container has ended, and how the last time: a file of fixed length in its directory.
//!
//! Who waits for an end opens the file first and keeps it: a container that goes with its end takes its row and its
//! directory along, but not what is open. The file never grows, so an end can be written on a full disk.

use std::fs::File;
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use wharfie_oci::ContainerId;

use crate::error::{Error, Result};
use crate::store::Store;

/// The ends of one container.
#[derive(Debug)]
pub struct Ends(File);

/// A container has ended this often, the last time with this exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct End {
    /// 0 if it never has.
    pub count: u64,
    /// The exit code of the last time.
    pub code: i32,
}

const NAME: &str = "ends";
/// The count and the code, little endian, each in 8 bytes.
const LENGTH: usize = 16;

impl Store {
    /// The ends of a container, for reading; `None` if it has no such file.
    ///
    /// # Errors
    /// When the file is there and cannot be opened.
    pub fn ends(&self, id: &ContainerId) -> Result<Option<Ends>> {
        self.open_ends(id, File::options().read(true))
    }

    /// The ends of a container, for [`Ends::add`]. The file is made if need be.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn make_ends(&self, id: &ContainerId) -> Result<Option<Ends>> {
        let ends =
            self.open_ends(id, File::options().read(true).write(true).create(true).truncate(false).mode(0o600))?;
        if let Some(ends) = &ends
            && ends.0.metadata().is_ok_and(|found| found.len() == 0)
        {
            ends.0
                .write_all_at(&[0; LENGTH], 0)
                .map_err(Error::io("write", self.container_directory(id).join(NAME)))?;
        }
        Ok(ends)
    }

    fn open_ends(&self, id: &ContainerId, options: &mut std::fs::OpenOptions) -> Result<Option<Ends>> {
        let path = self.container_directory(id).join(NAME);
        let flags = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        match options.custom_flags(flags).open(&path) {
            Ok(file) => Ok(Some(Ends(file))),
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(why) => Err(Error::io("open", path)(why)),
        }
    }
}

impl Ends {
    /// The last end.
    pub fn last(&self) -> End {
        let mut bytes = [0; LENGTH];
        if self.0.read_exact_at(&mut bytes, 0).is_err() {
            return End::default();
        }
        let (count, code) = bytes.split_at(8);
        let number = |half: &[u8]| half.try_into().map(u64::from_le_bytes).unwrap_or_default();
        End { count: number(count), code: i32::try_from(number(code)).unwrap_or_default() }
    }

    /// Writes one more end down.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn add(&self, code: u8) -> std::io::Result<()> {
        let mut bytes = [0; LENGTH];
        bytes[..8].copy_from_slice(&(self.last().count + 1).to_le_bytes());
        bytes[8..].copy_from_slice(&u64::from(code).to_le_bytes());
        self.0.write_all_at(&bytes, 0)
    }
}
