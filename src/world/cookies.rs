//! The cookies that the service has set, as part of what a restore puts back.
//!
//! Matching follows RFC 6265 (domain, path, `Secure`, expiry). Of a state's *identity* only the names of the cookies are a
//! part: session ids are random, so two logins lead to the same state, but a session is another state than none, also
//! where it leaves no row behind. With their values they are part of its *checkpoint*: going back to a state also goes back to
//! the session that the path had there.

use std::sync::Arc;

use cookie_store::{CookieStore, RawCookie};
use url::Url;

use crate::model::Digest;

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

    /// These cookies, and those of `login` in place of those with the same name.
    pub(super) fn overlaid(&self, login: &Self) -> Self {
        let (Some(known), Some(fresh)) = (&self.0, &login.0) else {
            return if self.0.is_none() {
                login.clone()
            } else {
                self.clone()
            };
        };
        let mut all = CookieStore::clone(known);
        for cookie in fresh.iter_unexpired() {
            let (domain, path) = (String::from(&cookie.domain), String::from(&cookie.path));
            // It came from there, so it may be set from there.
            if let Ok(origin) = Url::parse(&format!("https://{domain}{path}")) {
                let _ = all.insert(cookie.clone(), &origin);
            }
        }
        Self(Some(Arc::new(all)))
    }

    /// What the identity of a state takes from them: which there are. `None` where there is none.
    pub(super) fn identity(&self) -> Option<Digest> {
        let store = self.0.as_ref()?;
        let mut names: Vec<String> = store
            .iter_unexpired()
            .map(|cookie| {
                let (domain, path) = (String::from(&cookie.domain), String::from(&cookie.path));
                format!("{domain}\0{path}\0{}", cookie.name())
            })
            .collect();
        names.sort_unstable();
        let hash = blake3::hash(names.join("\n").as_bytes());
        (!names.is_empty()).then(|| Digest::from_hash(&hash))
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
    fn which_cookies_there_are_is_part_of_the_identity_and_what_they_hold_is_not() {
        let mut cookies = Cookies::default();
        let none = cookies.identity();
        let mut set = |text: &str| {
            cookies.store([text].into_iter(), &url("http://127.0.0.1:9/"));
            cookies.identity()
        };
        let first = set("session=1");
        assert_ne!(first, none);
        assert_eq!(set("session=2"), first);
        assert_ne!(set("admin=1"), first);
        assert_eq!(set("admin=; Max-Age=0"), first);
        assert_eq!(set("session=; Max-Age=0"), none);
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
