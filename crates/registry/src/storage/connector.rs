//! How the bucket's client reaches its service: hyper and rustls, as everything else here.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};

use super::bucket_body::Received;
use crate::client::{HttpsClient, https_client};

/// Makes clients for `object_store`.
#[derive(Debug, Default)]
pub(super) struct Connector;

#[derive(Debug, Clone)]
struct Service(HttpsClient<HttpRequestBody>);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let failed = |why| object_store::Error::Generic { store: "S3", source: Box::new(why) };
        Ok(HttpClient::new(Service(https_client().map_err(failed)?)))
    }
}

impl HttpService for Service {
    fn call<'life0, 'async_trait>(
        &'life0 self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let answered = tokio::time::timeout(PATIENCE, self.0.request(request)).await;
            let response = match answered {
                Err(why) => return Err(HttpError::new(HttpErrorKind::Timeout, why)),
                Ok(Err(why)) if why.is_connect() => return Err(HttpError::new(HttpErrorKind::Connect, why)),
                Ok(Err(why)) => return Err(HttpError::new(HttpErrorKind::Request, why)),
                Ok(Ok(response)) => response,
            };
            Ok(response.map(|body| HttpResponseBody::new(Received::new(body, PATIENCE))))
        })
    }
}

/// 30 s until a service answers, and between two pieces of what it sends.
const PATIENCE: Duration = Duration::from_secs(30);
