//! How the bucket's client reaches its service: hyper and rustls, as everything else here.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Sockets;
use hyper_util::rt::TokioExecutor;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};

use super::bucket_body::Received;

/// Makes clients for `object_store`.
#[derive(Debug, Default)]
pub(super) struct Connector;

#[derive(Debug, Clone)]
struct Service(Client<HttpsConnector<Sockets>, HttpRequestBody>);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|why| object_store::Error::Generic { store: "S3", source: Box::new(why) })?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(IDLE).build(connector);
        Ok(HttpClient::new(Service(client)))
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
/// 20 s: services close connections that are idle for longer.
const IDLE: Duration = Duration::from_secs(20);
