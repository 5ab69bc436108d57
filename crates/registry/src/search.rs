//! Looking for repositories by a part of their name, as `docker search HOST/TERM` does.
//! Source: docker's first registry API, `GET /v1/search`.

use hyper::StatusCode;
use serde_json::json;

use crate::answer::{Answer, Request, answer};
use crate::key::Folder;
use crate::name::RepositoryName;
use crate::router::Registry;

/// 100 results are the most that docker asks for.
const MAX_RESULTS: usize = 100;
/// What docker shows if nothing is said.
const RESULTS: usize = 25;

impl Registry {
    pub(crate) async fn search(&self, request: &Request) -> Answer {
        let term = request.query.value("q").unwrap_or_default().to_lowercase();
        let limit = request.query.value("n").and_then(|n| n.parse().ok()).unwrap_or(RESULTS).clamp(1, MAX_RESULTS);
        let caller = self.caller(request).await?;
        let mut results = Vec::new();
        for flat in self.all(&Folder::repositories()).await? {
            let Some(name) = RepositoryName::from_flat(&flat) else { continue };
            if name.as_str().contains(&term) && self.gatekeeper().sees(&caller, name.as_str()) {
                results.push(json!({
                    "name": name.as_str(), "description": "", "star_count": 0,
                    "is_official": false, "is_automated": false, "is_trusted": false,
                }));
            }
            if results.len() == limit {
                break;
            }
        }
        let document = json!({
            "query": term, "num_results": results.len(), "num_pages": 1, "page": 1, "page_size": limit, "results": results,
        });
        Ok(answer(StatusCode::OK).json(&document))
    }
}
