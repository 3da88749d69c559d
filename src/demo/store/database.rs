//! Which database: a path, or a URL.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Where the shop keeps what it knows. Shown without its password.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file; created, with its tables, where it does not exist.
    Sqlite(PathBuf),
    /// A database that exists; its tables are created where they are missing. Reached without TLS.
    Postgres(Box<Config>),
}

impl Database {
    /// From the path of a SQLite file, `sqlite:PATH`, or `postgres://USER@HOST/DATABASE`.
    ///
    /// Errors where it is a URL of another kind or one that cannot be read; they do not repeat it, because a password
    /// may be in it.
    pub fn parse(text: &OsStr) -> anyhow::Result<Self> {
        let Some(url) = text.to_str() else {
            return Ok(Self::Sqlite(text.into()));
        };
        if let Some(path) = url.strip_prefix("sqlite:") {
            return Ok(Self::Sqlite(path.into()));
        }
        match url.split_once("://") {
            Some(("postgres" | "postgresql", _)) => Self::postgres(url),
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => bail!(
                "the shop knows no database of the kind `{scheme}`: give it a SQLite file, `sqlite:PATH` or \
                 `postgres://USER@HOST/DATABASE`"
            ),
            _ => Ok(Self::Sqlite(url.into())),
        }
    }

    fn postgres(url: &str) -> anyhow::Result<Self> {
        let mut config: Config = url
            .parse()
            .map_err(|_| anyhow!("expected `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"))
            .context("cannot read the URL of the PostgreSQL database")?;
        if config.get_application_name().is_none() {
            config.application_name("shop");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        Ok(Self::Postgres(Box::new(config)))
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = match self {
            Self::Sqlite(path) => return path.display().fmt(f),
            Self::Postgres(config) => config,
        };
        f.write_str("postgres://")?;
        if let Some(user) = config.get_user() {
            write!(f, "{user}@")?;
        }
        for (at, host) in config.get_hosts().iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                #[cfg(unix)]
                Host::Unix(folder) => write!(f, "{comma}{}", folder.display())?,
            }
            // One port is for all hosts.
            let ports = config.get_ports();
            if let Some(port) = ports.get(at).or(ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", config.get_dbname().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Database> {
        Database::parse(OsStr::new(text))
    }

    #[test]
    fn a_path_with_or_without_its_scheme_is_a_sqlite_file() {
        for text in ["sqlite:a/shop.db", "a/shop.db"] {
            let database = parse(text).unwrap();
            assert!(matches!(&database, Database::Sqlite(path) if path == "a/shop.db"));
            assert_eq!(database.to_string(), "a/shop.db");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        for scheme in ["postgres", "postgresql"] {
            let database = parse(&format!("{scheme}://qa:s3cret@127.0.0.1:5433/shop")).unwrap();
            assert_eq!(database.to_string(), "postgres://qa@127.0.0.1:5433/shop");
            assert!(!format!("{database:?}").contains("s3cret"));
        }
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_repeated() {
        let urls = [
            "postgres://qa:s3cret@127.0.0.1:s3cret/shop",
            "postgres://127.0.0.1/shop?s3cret=1",
            "mysql://qa:s3cret@127.0.0.1/shop",
        ];
        for url in urls {
            let error = format!("{:#}", parse(url).unwrap_err());
            assert!(!error.contains("s3cret"), "{error}");
            assert!(error.contains("postgres://USER"), "{error}");
        }
    }
}
