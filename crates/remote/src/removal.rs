//! Removing from a registry. Source: distribution-spec, "Content Management".

use ureq::http::Method;

use crate::auth::token::Scopes;
use crate::{Error, RepositoryClient};

impl RepositoryClient {
    /// Removes a tag, or a manifest with all its tags if `reference` is a digest.
    ///
    /// # Errors
    /// When there is no such thing, or the registry does not remove, refuses, or cannot be asked.
    pub fn delete_manifest(&self, reference: &str) -> Result<(), Error> {
        let scopes = Scopes::delete(&self.path);
        self.inner.at_doors(&self.host, false, &scopes, |session| {
            let request = session.request(Method::DELETE, &self.manifest_path(reference));
            session.succeed(&request)?.discard();
            Ok(())
        })
    }
}
