//! Manifests that are about another one. Source: distribution-spec, "Listing Referrers".

use hyper::StatusCode;
use hyper::header::{self, HeaderName};
use wharfie_oci::{Digest, MediaType};

use crate::answer::{Answer, Request, answer};
use crate::document::Referrer;
use crate::key::{Folder, Key};
use crate::listing::Asked;
use crate::name::RepositoryName;
use crate::query::encode;
use crate::record;
use crate::router::Registry;

/// `OCI-Filters-Applied`: which of the filters that were asked for are done here.
pub(crate) const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
/// 4 MiB: what clients take as a manifest, which the list is.
const MAX_BYTES: usize = 4 << 20;
/// 1000 referrers are looked at for one page.
const MAX_PAGE: usize = 1000;

impl Registry {
    pub(crate) async fn list_referrers(&self, name: &RepositoryName, subject: &Digest, request: &Request) -> Answer {
        if let Some((cache, path)) = self.cache_of(name)
            && let Some(answer) = self.list_cached_referrers(cache, &path, subject, &request.query).await
        {
            return answer;
        }
        let mut asked = Asked::of(&request.query)?;
        asked.limit = asked.limit.min(MAX_PAGE);
        let filter = request.query.value("artifactType").filter(|text| !text.is_empty());
        let page = self.storage.list(&Folder::referrers(name, subject), asked.after, asked.limit).await?;
        let mut manifests: Vec<Referrer> = Vec::new();
        let (mut size, mut last, mut has_more) = (0, None, page.has_more);
        for text in &page.names {
            let Ok(digest) = text.parse::<Digest>() else { continue };
            let key = Key::referrer(name, subject, &digest);
            let Some(stored) = self.storage.get(&key).await? else { continue };
            size += stored.bytes.len();
            if size > MAX_BYTES && last.is_some() {
                has_more = true;
                break;
            }
            last = Some(text);
            let referrer: Referrer = record::parse(&stored.bytes, key.as_str())?;
            if filter.is_none_or(|filter| referrer.artifact_type.as_deref() == Some(filter)) {
                manifests.push(referrer);
            }
        }
        let mut builder = answer(StatusCode::OK);
        let mut further = String::new();
        if let Some(filter) = filter {
            builder = builder.header(FILTERS, "artifactType");
            further = format!("&artifactType={}", encode(filter));
        }
        if let Some(last) = last.filter(|_| has_more) {
            let path = format!("/v2/{name}/referrers/{subject}");
            builder = builder.header(header::LINK, &asked.next(&path, last, &further));
        }
        let media_type = MediaType::OCI_INDEX;
        let index = serde_json::json!({
            "schemaVersion": 2, "mediaType": media_type.as_str(), "manifests": manifests,
        });
        Ok(builder.bytes(media_type.as_str(), index.to_string()))
    }
}
