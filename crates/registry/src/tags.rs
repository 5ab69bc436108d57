//! Lists of tags and of repositories. Source: distribution-spec, "Listing Tags"; docker's registry API, "Catalog".

use hyper::StatusCode;
use hyper::header;

use crate::answer::{Answer, Request, answer};
use crate::key::{Folder, Key};
use crate::listing::Asked;
use crate::name::RepositoryName;
use crate::refusal::{Code, Refusal};
use crate::router::Registry;

impl Registry {
    pub(crate) async fn list_tags(&self, name: &RepositoryName, request: &Request) -> Answer {
        if let Some((cache, path)) = self.cache_of(name)
            && let Some(answer) = self.list_cached_tags(cache, &path, name, &request.query).await
        {
            return answer;
        }
        let asked = Asked::of(&request.query)?;
        let page = self.storage.list(&Folder::tags(name), asked.after, asked.limit).await?;
        if page.names.is_empty() && self.storage.modified(&Key::repository(name)).await?.is_none() {
            return Err(Refusal::new(Code::NameUnknown, "no such repository").with_detail(name.as_str()));
        }
        let mut builder = answer(StatusCode::OK);
        if let Some(last) = page.names.last().filter(|_| page.has_more) {
            builder = builder.header(header::LINK, &asked.next(&format!("/v2/{name}/tags/list"), last, ""));
        }
        Ok(builder.json(&serde_json::json!({ "name": name.as_str(), "tags": page.names })))
    }

    pub(crate) async fn catalog(&self, request: &Request) -> Answer {
        let asked = Asked::of(&request.query)?;
        let after = asked.after.map(|after| after.replace('/', "!"));
        let page = self.storage.list(&Folder::repositories(), after.as_deref(), asked.limit).await?;
        let names: Vec<RepositoryName> = page.names.iter().filter_map(|flat| RepositoryName::from_flat(flat)).collect();
        let mut builder = answer(StatusCode::OK);
        if let Some(last) = names.last().filter(|_| page.has_more) {
            builder = builder.header(header::LINK, &asked.next("/v2/_catalog", last.as_str(), ""));
        }
        let caller = self.caller(request).await?;
        let names: Vec<&str> =
            names.iter().map(RepositoryName::as_str).filter(|name| self.gatekeeper().sees(&caller, name)).collect();
        Ok(builder.json(&serde_json::json!({ "repositories": names })))
    }
}
