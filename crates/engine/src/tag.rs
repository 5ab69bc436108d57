//! Tag: one more name for an image.

use wharfie_store::images::Name;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::{events, names};

impl Engine {
    /// Names the image `source` also `target`; what a name stands for with all its platforms, an id alone. A name that stood for another image moves.
    ///
    /// # Errors
    /// When `target` is no name for an image, or `source` is none.
    pub fn tag(&self, source: &str, target: &str) -> Result<()> {
        let target = match names::target(target) {
            // Docker's client judges all of a name but this, which its daemon does when it has found the image.
            Err(why) if !matches!(why, Error::AlgorithmTarget) => return Err(why),
            target => target,
        };
        let store = self.writer()?;
        let found = names::find(store, source)?;
        let target = target?;
        let event = events::of_image(&found.id, "tag", &target.familiar());
        let meant = match &found.reference {
            Some(reference) => store.target(&reference.canonical())?,
            None => None,
        };
        let meant = meant.unwrap_or_else(|| found.id.digest().clone());
        let name = Name { reference: target, target: meant, image: Some(found.id) };
        store.noting(vec![event], |store| store.set_reference(&name))?;
        Ok(())
    }
}
