//! The cookies that the service has set, as part of what a restore puts back.
//!
//! Matching follows RFC 6265 (domain, path, `Secure`, expiry). Cookies are no part of a state's *identity*: session ids are
//! random, and two logins lead to the same state. They are part of its *checkpoint*: going back to a state also goes
//! back to the session that the path had there.

use std::sync::Arc;

use cookie_store::{CookieStore, RawCookie};
use url::Url;

/// The cookies at one moment. A clone costs nothing; the store is copied only when an answer sets a cookie while a
/// checkpoint still holds it.
#[derive(Clone, Debug, Default)]
pub(super) struct Cookies(Option<Arc<CookieStore>>);

impl Cookies {
    /// The `Cookie` header for a request to this URL; `None` when no cookie matches.
    pub(super) fn header(&self, url: &Url) -> Option<String> {
        let mut matching = self.0.as_ref()?.matches(url);
        if matching.is_empty() {
            return None;
        }
        // Longer paths first, as RFC 6265 asks; the name decides the rest, because the store keeps no order and two runs
        // must send the same bytes.
        matching.sort_by(|a, b| {
            let path = |cookie: &cookie_store::Cookie<'_>| -> String { String::from(&cookie.path) };
            (path(b).len().cmp(&path(a).len())).then_with(|| a.name().cmp(b.name()))
        });
        let pairs: Vec<String> = matching
            .iter()
            .map(|cookie| format!("{}={}", cookie.name(), cookie.value()))
            .collect();
        Some(pairs.join("; "))
    }

    /// Takes in the `Set-Cookie` headers of an answer from this URL. What is not a cookie, or may not be set from
    /// there, is ignored, as user agents do.
    pub(super) fn store<'h>(&mut self, headers: impl Iterator<Item = &'h str>, url: &Url) {
        for header in headers {
            let Ok(cookie) = RawCookie::parse(header.to_owned()) else {
                continue;
            };
            let store = Arc::make_mut(self.0.get_or_insert_default());
            // An error means that the service may not set this cookie here, or that it has expired already.
            let _ = store.insert_raw(&cookie.into_owned(), url);
        }
    }

    /// Whether both are one and the same: nothing was set in between.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn a_cookie_comes_back_to_the_path_it_was_set_for_and_nowhere_else() {
        let mut cookies = Cookies::default();
        cookies.store(
            [
                "session=1",
                "cart=2; Path=/cart",
                "admin=3; Domain=other.example",
            ]
            .into_iter(),
            &url("http://127.0.0.1:9/login"),
        );
        let header = |target: &str| cookies.header(&url(target));
        assert_eq!(
            header("http://127.0.0.1:9/cart/7").as_deref(),
            Some("cart=2; session=1")
        );
        assert_eq!(
            header("http://127.0.0.1:9/orders").as_deref(),
            Some("session=1")
        );
        assert_eq!(header("http://localhost:9/cart"), None);
    }

    #[test]
    fn a_checkpoint_keeps_its_cookies_while_the_walk_goes_on() {
        let here = url("http://127.0.0.1:9/");
        let mut cookies = Cookies::default();
        cookies.store(["session=1"].into_iter(), &here);
        let kept = cookies.clone();
        assert!(kept.same(&cookies));
        cookies.store(["session=; Max-Age=0"].into_iter(), &here);
        assert!(!kept.same(&cookies));
        assert_eq!(cookies.header(&here), None);
        assert_eq!(kept.header(&here).as_deref(), Some("session=1"));
    }

    #[test]
    fn garbage_in_a_set_cookie_header_is_ignored() {
        let here = url("http://127.0.0.1:9/");
        let mut cookies = Cookies::default();
        cookies.store(["", "=", ";;;", "a=b; Expires=never"].into_iter(), &here);
        assert_eq!(cookies.header(&here).as_deref(), Some("a=b"));
    }
}
