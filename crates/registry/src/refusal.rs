//! Requests that are refused: status, code and words. Source: distribution-spec, "Error codes".

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

/// What kind of refusal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// code-1.
    BlobUnknown,
    /// code-2.
    BlobUploadInvalid,
    /// code-3.
    BlobUploadUnknown,
    /// code-4.
    DigestInvalid,
    /// code-5.
    ManifestBlobUnknown,
    /// code-6.
    ManifestInvalid,
    /// code-7.
    ManifestUnknown,
    /// code-8.
    NameInvalid,
    /// code-9.
    NameUnknown,
    /// code-10.
    SizeInvalid,
    /// code-11.
    Unauthorized,
    /// code-12.
    Denied,
    /// code-13.
    Unsupported,
    /// code-14.
    TooManyRequests,
    /// Docker's registry API: the tag is none.
    TagInvalid,
    /// Docker's registry API: `n` is none.
    PaginationNumberInvalid,
    /// Docker's registry API: it may work later.
    Unavailable,
    /// Docker's registry API: a defect here.
    Unknown,
}

impl Code {
    /// The word in the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::BlobUploadInvalid => "BLOB_UPLOAD_INVALID",
            Self::BlobUploadUnknown => "BLOB_UPLOAD_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestBlobUnknown => "MANIFEST_BLOB_UNKNOWN",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::TagInvalid => "TAG_INVALID",
            Self::PaginationNumberInvalid => "PAGINATION_NUMBER_INVALID",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The status that goes with it unless something else is said.
    fn status(self) -> StatusCode {
        match self {
            Self::BlobUnknown
            | Self::BlobUploadUnknown
            | Self::ManifestBlobUnknown
            | Self::ManifestUnknown
            | Self::NameUnknown => StatusCode::NOT_FOUND,
            Self::BlobUploadInvalid
            | Self::DigestInvalid
            | Self::ManifestInvalid
            | Self::NameInvalid
            | Self::SizeInvalid
            | Self::TagInvalid
            | Self::PaginationNumberInvalid => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::Unsupported => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unknown => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An answer that says no.
#[derive(Debug)]
pub struct Refusal(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: Code,
    status: StatusCode,
    message: String,
    detail: Option<serde_json::Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log, not for the client.
    cause: Option<String>,
}

impl Refusal {
    /// Refuses with words for a person.
    pub fn new(code: Code, message: &str) -> Self {
        let (status, message) = (code.status(), message.to_owned());
        Self(Box::new(Parts { code, status, message, detail: None, headers: Vec::new(), cause: None }))
    }

    /// The same with another status.
    #[must_use]
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = StatusCode::from_u16(status).expect("statuses are constants of this crate");
        self
    }

    /// The same with what it is about.
    #[must_use]
    pub(crate) fn with_detail(mut self, detail: impl Into<serde_json::Value>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// The same with a header.
    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        // What is no header value was never one of ours.
        self.0.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// Something behind the server fails; the client may come again.
    pub(crate) fn unavailable(cause: &dyn std::fmt::Display) -> Self {
        let mut refusal =
            Self::new(Code::Unavailable, "the registry's storage does not answer as it should; try again")
                .with_header(hyper::header::RETRY_AFTER, "10");
        refusal.0.cause = Some(cause.to_string());
        refusal
    }

    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What the log should know and the client need not.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Headers that go with it.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// The body. Source: distribution-spec, "Error codes".
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut error = serde_json::json!({ "code": self.0.code.as_str(), "message": self.0.message });
        if let Some(detail) = &self.0.detail {
            error["detail"] = detail.clone();
        }
        serde_json::json!({ "errors": [error] }).to_string().into_bytes()
    }
}

impl From<crate::storage::Error> for Refusal {
    fn from(why: crate::storage::Error) -> Self {
        Self::unavailable(&why.told())
    }
}
