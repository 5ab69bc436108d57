//! Networks of the user's own: a document each, under its name. What they are is the engine's business.

use rusqlite::{OptionalExtension, params};
use wharfie_oci::NetworkName;

use crate::error::Result;
use crate::store::Store;

impl Store {
    /// Names and documents of all networks, by name.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn networks(&self) -> Result<Vec<(String, String)>> {
        self.read(|db| {
            db.prepare("SELECT substr(key, ?2), value FROM setting WHERE substr(key, 1, ?2 - 1) = ?1 ORDER BY key")?
                .query_map(params![PREFIX, PREFIX.len() + 1], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// Records a network, with whatever `document` makes of those that are there. `None` from it records nothing.
    /// False if the name is taken.
    ///
    /// # Errors
    /// When the metadata cannot be changed, or what `document` says.
    pub fn record_network<E: From<crate::Error>>(
        &self,
        name: &NetworkName,
        document: impl FnOnce(&[(String, String)]) -> Result<String, E>,
    ) -> Result<bool, E> {
        // The document depends on all others, so that two networks never get the same addresses.
        let made = self.write(|db| {
            let others = db
                .prepare("SELECT substr(key, ?2), value FROM setting WHERE substr(key, 1, ?2 - 1) = ?1")
                .and_then(|mut statement| {
                    let rows =
                        statement.query_map(params![PREFIX, PREFIX.len() + 1], |row| Ok((row.get(0)?, row.get(1)?)))?;
                    rows.collect::<rusqlite::Result<Vec<(String, String)>>>()
                })
                .map_err(self.metadata_error())?;
            if others.iter().any(|(other, _)| *name == *other) {
                return Ok(Ok(false));
            }
            let text = match document(&others) {
                Ok(text) => text,
                Err(why) => return Ok(Err(why)),
            };
            db.execute("INSERT INTO setting (key, value) VALUES (?1, ?2)", params![format!("{PREFIX}{name}"), text])
                .map_err(self.metadata_error())?;
            Ok(Ok(true))
        });
        made.map_err(E::from)?
    }

    /// The document of a network.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn network(&self, name: &str) -> Result<Option<String>> {
        let key = format!("{PREFIX}{name}");
        self.read(|db| db.query_row("SELECT value FROM setting WHERE key = ?1", [&key], |row| row.get(0)).optional())
    }

    /// Forgets a network, if its document is still one that `is_it` knows: another one may have its name by now. Idempotent.
    ///
    /// # Errors
    /// When the metadata cannot be changed.
    pub fn remove_network(&self, name: &NetworkName, is_it: impl FnOnce(&str) -> bool) -> Result<()> {
        let key = format!("{PREFIX}{name}");
        self.write(|db| {
            let found: Option<String> = db
                .query_row("SELECT value FROM setting WHERE key = ?1", [&key], |row| row.get(0))
                .optional()
                .map_err(self.metadata_error())?;
            if found.is_some_and(|document| is_it(&document)) {
                db.execute("DELETE FROM setting WHERE key = ?1", [&key]).map_err(self.metadata_error())?;
            }
            Ok(())
        })
    }
}

/// Before the name of a network among the store's settings.
const PREFIX: &str = "network:";
