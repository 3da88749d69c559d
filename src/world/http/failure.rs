//! Why a request has no complete answer.

use std::error::Error;
use std::time::Duration;

use rustls::CertificateError;

use super::transport::Broken;
use crate::interrupt::Ending;

/// Why there is no complete answer.
#[derive(Debug)]
pub(in crate::world) struct Failure {
    /// What happened, in words that continue "`GET /orders`: ".
    pub(in crate::world) what: String,
    /// What is known about it.
    pub(in crate::world) kind: FailureKind,
}

/// What is known about a request without a complete answer. But for the first three it may still be at work in the
/// service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::world) enum FailureKind {
    /// It was never sent.
    Unsent,
    /// It was never sent, because the certificate of the service is not trusted.
    Distrusted,
    /// It was never sent, because the other side does not speak TLS.
    NoTls,
    /// The connection had been used before and was closed without an answer: perhaps it was closed for being idle.
    MaybeIdle,
    /// There was no complete answer in time.
    TimedOut,
    /// The answer is malformed, or broke off.
    Broken,
    /// It had to end; nothing is wrong with the service.
    Ended(Ending),
}

impl Failure {
    /// A request that was never sent.
    pub(super) fn unsent(what: String) -> Self {
        Self {
            what,
            kind: FailureKind::Unsent,
        }
    }

    /// What broke off, told after the causes of the error; `reused` says whether the connection had been used before.
    pub(super) fn of(broken: &Broken, reused: bool, timeout: Duration) -> Self {
        let (error, before_answer) = (broken.error.as_ref(), broken.before_answer);
        let words = in_words(error);
        let (what, kind) = if let Some(why) = distrusted(error) {
            (
                format!("the certificate of the service is not trusted: {why}"),
                FailureKind::Distrusted,
            )
        } else if let Some(rustls::Error::InvalidMessage(_)) = rustls_error(error) {
            let what = "it does not speak TLS at this port".to_owned();
            (what, FailureKind::NoTls)
        } else if broken.is_connect {
            (format!("cannot connect: {words}"), FailureKind::Unsent)
        } else if broken.is_timeout {
            let part = if before_answer {
                "no answer"
            } else {
                "the answer began, but was not complete"
            };
            (format!("{part} within {timeout:?}"), FailureKind::TimedOut)
        } else if before_answer {
            let kind = if is_closed(error) && reused {
                FailureKind::MaybeIdle
            } else {
                FailureKind::Broken
            };
            (format!("no HTTP answer: {words}"), kind)
        } else {
            let what = format!("the answer broke off or is malformed: {words}");
            (what, FailureKind::Broken)
        };
        Self { what, kind }
    }
}

/// Why the certificate of the other side is refused, if that is what happened.
fn distrusted(error: &(dyn Error + 'static)) -> Option<String> {
    let rustls::Error::InvalidCertificate(why) = rustls_error(error)? else {
        return None;
    };
    Some(match why {
        CertificateError::UnknownIssuer => {
            "nobody whom this machine trusts has issued it".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another host".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired".to_owned()
        }
        CertificateError::Other(why) if why.to_string().contains("CaUsedAsEndEntity") => {
            "it is the certificate of an issuer (`CA:TRUE`), which no server may show as its own; make it anew with `-addext basicConstraints=critical,CA:FALSE`".to_owned()
        }
        CertificateError::Other(why) => why.to_string(),
        other => other.to_string(),
    })
}

/// What went wrong with TLS. An error of the system hides what it was made of from [`Error::source`].
fn rustls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let cause = match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|cause| cause as &(dyn Error + 'static)),
        None => error.source(),
    };
    rustls_error(cause?)
}

/// Whether the other side closed the connection, as opposed to sending something that is no HTTP.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return matches!(
                io.kind(),
                std::io::ErrorKind::ConnectionReset
                    | std::io::ErrorKind::ConnectionAborted
                    | std::io::ErrorKind::BrokenPipe
                    | std::io::ErrorKind::UnexpectedEof
            );
        }
        // hyper's error is not ours to downcast to; its text is stable.
        cause.to_string() == "connection closed before message completed"
    })
}

/// The causes of an error that say something, the outermost first.
pub(super) fn in_words(error: &(dyn Error + 'static)) -> String {
    const SAY_NOTHING: [&str; 6] = [
        "error sending request",
        "client error (SendRequest)",
        "client error (Connect)",
        "tcp connect error",
        "request or response body error",
        "error decoding response body",
    ];
    let mut words: Vec<String> = Vec::new();
    for cause in chain(error) {
        let text = cause.to_string();
        if SAY_NOTHING.contains(&text.as_str()) {
            continue;
        }
        // Some errors print their cause themselves.
        if words.last().is_some_and(|last| last.contains(&text)) {
            continue;
        }
        words.push(text);
    }
    if words.is_empty() {
        return error.to_string();
    }
    words.join(": ")
}

fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
