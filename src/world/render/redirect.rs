//! Where an answer redirects to, as the next request.

use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderMap};
use url::Url;

use super::{Rendered, Target, header_value};
use crate::model::{Request, Response};
use crate::world::cookies::Cookies;

/// What to do about an answer.
#[derive(Debug)]
pub(in crate::world) enum Redirect {
    /// It is no redirect, or one that leads nowhere.
    None,
    /// Send this.
    To(Box<Rendered>),
    /// It leads to another origin, which may not be asked.
    Away(Url),
}

impl Target {
    /// How many redirects in a row are followed.
    pub(in crate::world) fn follow_redirects(&self) -> u32 {
        self.follow_redirects
    }

    /// The request to which the answer to this one redirects: with the same method after 307 and 308, `GET` otherwise. To
    /// another origin, which `http.origins` has to list, only `GET` leads, and no header goes along.
    pub(in crate::world) fn redirected(
        &self,
        from: &Rendered,
        answer: &Response,
        cookies: &Cookies,
    ) -> Redirect {
        let location = answer
            .headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("location"));
        let (Some((_, location)), 301 | 302 | 303 | 307 | 308) = (location, answer.status) else {
            return Redirect::None;
        };
        let Ok(mut url) = from.wire.url().join(location) else {
            return Redirect::None;
        };
        url.set_fragment(None);
        let keeps_method = matches!(answer.status, 307 | 308);
        let is_own = url.origin() == self.url.origin();
        let is_known = self.origins.contains(&url.origin());
        let is_plain = !keeps_method || from.wire.method().is_safe();
        if !(is_own || is_known && is_plain) {
            return Redirect::Away(url);
        }
        let method = match from.wire.method() {
            kept if keeps_method || *kept == Method::HEAD => kept.clone(),
            _ => Method::GET,
        };
        let mut headers = HeaderMap::new();
        let mut shown = Vec::new();
        let mut body = None;
        if is_own {
            headers = from.wire.headers().clone();
            shown.clone_from(&from.record.headers);
            body = from.record.body.clone().filter(|_| keeps_method);
            if !keeps_method {
                for name in [CONTENT_TYPE, CONTENT_LENGTH, CONTENT_ENCODING] {
                    headers.remove(&name);
                    shown.retain(|(known, _)| !known.eq_ignore_ascii_case(name.as_str()));
                }
            }
            if from.has_jar_cookies {
                headers.remove(COOKIE);
                shown.retain(|(known, _)| !known.eq_ignore_ascii_case(COOKIE.as_str()));
            }
        }
        let mut has_jar_cookies = false;
        if is_own
            && !headers.contains_key(COOKIE)
            && let Some(cookie) = cookies.header(&url)
            && let Ok(value) = header_value("cookie", &cookie)
        {
            headers.insert(COOKIE, value);
            shown.push(("cookie".to_owned(), cookie));
            has_jar_cookies = true;
        }
        let record = Request {
            method: method.as_str().to_owned(),
            target: self.shown_target(&url),
            headers: shown,
            body: body.clone(),
        };
        let mut wire = reqwest::Request::new(method, url);
        *wire.headers_mut() = headers;
        *wire.body_mut() = body.map(|bytes| reqwest::Body::from(bytes.to_vec()));
        Redirect::To(Box::new(Rendered {
            wire,
            record,
            has_jar_cookies,
            credentials: Vec::new(),
        }))
    }
}
