//! Where a database is: its URL, taken apart so that a password is never printed.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::secret::without_password;
use crate::world::{WorldError, WorldErrorKind};

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A database, with all that is needed to connect to it. Shown without its password.
#[derive(Clone)]
pub(super) struct Address {
    /// Host, user, password and database.
    pub(super) config: Config,
    /// How the server's certificate is checked, where TLS is used.
    pub(super) trust: Trust,
    shown: String,
}

/// What a server's certificate must be, as libpq's `sslmode` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Not checked: `prefer` and `require` encrypt only.
    Anyone,
    /// Issued by a known authority, or by one in this file (`sslrootcert`), for the name that was connected to.
    Verified(Option<PathBuf>),
}

impl Address {
    /// Takes a URL (`postgres://user:password@host:port/database?option=value`) apart.
    pub(super) fn parse(url: &str) -> Result<Self, WorldError> {
        let bad = |why: &str| {
            WorldError::new(
                WorldErrorKind::System,
                format!("`{}` is no PostgreSQL URL: {why}", without_password(url)),
            )
            .with_help("write it as a URL: `postgres://user:password@127.0.0.1:5432/database`")
        };
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err(bad("it does not begin with `postgres://`"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut mode = SslMode::Prefer;
        let mut verified = false;
        let mut root = None;
        let mut kept = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", "disable")) => mode = SslMode::Disable,
                Some(("sslmode", "allow" | "prefer")) => mode = SslMode::Prefer,
                Some(("sslmode", "require")) => mode = SslMode::Require,
                Some(("sslmode", "verify-ca" | "verify-full")) => {
                    mode = SslMode::Require;
                    verified = true;
                }
                Some(("sslmode", other)) => {
                    return Err(bad(&format!(
                        "`sslmode` is one of disable, prefer, require, verify-ca, verify-full, not `{other}`"
                    )));
                }
                Some(("sslrootcert", file)) => {
                    let file = url::form_urlencoded::parse(pair.as_bytes())
                        .next()
                        .map_or_else(|| file.to_owned(), |(_, file)| file.into_owned());
                    root = Some(PathBuf::from(file));
                }
                _ => kept.push(pair),
            }
        }
        let rest = if kept.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", kept.join("&"))
        };
        let mut config: Config = rest
            .parse()
            .map_err(|error: tokio_postgres::Error| bad(&super::failure::cause(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host("localhost");
        }
        config
            .ssl_mode(mode)
            .application_name("venomqa")
            .connect_timeout(CONNECT_TIMEOUT);
        let shown = shown(&config);
        Ok(Self {
            config,
            trust: if verified {
                Trust::Verified(root)
            } else {
                Trust::Anyone
            },
            shown,
        })
    }

    /// Whether every host of the URL is this machine.
    pub(super) fn is_local(&self) -> bool {
        let local = |address: &IpAddr| address.to_canonical().is_loopback();
        let addresses = self.config.get_hostaddrs();
        if !addresses.is_empty() {
            return addresses.iter().all(local);
        }
        self.config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                name.eq_ignore_ascii_case("localhost")
                    || name
                        .trim_matches(['[', ']'])
                        .parse()
                        .is_ok_and(|address| local(&address))
            }
            #[cfg(unix)]
            Host::Unix(_) => true,
        })
    }

    /// The error that says why a database on another machine is left alone.
    pub(super) fn refuse_remote(&self) -> WorldError {
        WorldError::new(
            WorldErrorKind::System,
            format!("the database `{self}` is not on this machine"),
        )
        .with_help(
            "venomqa writes to the database and puts it back afterwards; if that is what you want there, \
             say `allow_remote: true` beside `postgres:`",
        )
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.shown)
    }
}

fn shown(config: &Config) -> String {
    let mut text = "postgres://".to_owned();
    if let Some(user) = config.get_user() {
        text.push_str(user);
        text.push('@');
    }
    match (config.get_hosts().first(), config.get_hostaddrs().first()) {
        (Some(Host::Tcp(name)), _) => text.push_str(name),
        #[cfg(unix)]
        (Some(Host::Unix(path)), _) => text.push_str(&path.display().to_string()),
        (None, Some(address)) => text.push_str(&address.to_string()),
        (None, None) => {}
    }
    if let Some(port) = config.get_ports().first() {
        text.push(':');
        text.push_str(&port.to_string());
    }
    if let Some(database) = config.get_dbname() {
        text.push('/');
        text.push_str(database);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let address = Address::parse(
            "postgres://qa:s3cret@127.0.0.1:5433/shop?password=s3cret&sslmode=require",
        )
        .unwrap();
        assert_eq!(address.to_string(), "postgres://qa@127.0.0.1:5433/shop");
        assert!(!format!("{address:?}").contains("s3cret"));
        for url in [
            "postgres://qa:s3cret@host:notaport/shop",
            "mysql://qa:s3cret@host/shop",
            "qa:s3cret@host",
            "postgres://qa:s3@cret@host:x/shop",
            "postgres://host:x/shop?password=s3cret",
            "postgres://qa:s3cret@host/shop?sslmode=maybe",
            "host=127.0.0.1 password=s3cret",
            "host=127.0.0.1 PASSWORD = 'it is s3cret'",
        ] {
            let error = Address::parse(url).unwrap_err();
            let text = format!("{error:?}");
            assert!(
                !text.contains("s3cret") && !text.contains("s3@cret"),
                "{text}"
            );
        }
    }

    #[test]
    fn only_this_machine_is_local() {
        for url in [
            "postgres://localhost/x",
            "postgres://u@127.0.0.1/x",
            "postgres://127.8.8.8:5432/x",
            "postgres://[::1]/x",
            "postgres:///x",
            "postgres://%2Frun%2Fpg/x",
            "postgres:///x?host=/tmp",
        ] {
            assert!(Address::parse(url).unwrap().is_local(), "{url}");
        }
        for url in [
            "postgres://db/x",
            "postgres://10.0.0.7/x",
            "postgres://localhost.example.org/x",
            "postgres://localhost,db/x",
            "postgres://[2001:db8::1]/x",
            "postgres://localhost/x?hostaddr=10.0.0.7",
        ] {
            assert!(!Address::parse(url).unwrap().is_local(), "{url}");
        }
    }

    #[test]
    fn the_certificate_is_looked_at_where_the_url_asks_for_it() {
        let trust = |url| Address::parse(url).unwrap().trust;
        assert_eq!(trust("postgres://h/x?sslmode=require"), Trust::Anyone);
        assert_eq!(
            trust("postgres://h/x?sslmode=verify-full&sslrootcert=%2Fa%20b.pem"),
            Trust::Verified(Some("/a b.pem".into()))
        );
    }
}
