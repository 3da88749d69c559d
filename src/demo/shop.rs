//! What every handler is given: the store, and the transactions that requests run in.

use super::bugs::Bugs;
use super::errors::Refusal;
use super::store::{Access, Database, Failure, Store, Transaction};

/// The shop, apart from its routes.
pub(super) struct Shop {
    store: Store,
    /// What is wrong with this shop.
    pub(super) bugs: Bugs,
}

impl Shop {
    /// Opens the database, and creates the tables where they are missing.
    pub(super) async fn open(database: &Database, bugs: Bugs) -> Result<Self, Failure> {
        let store = Store::open(database).await?;
        Ok(Self { store, bugs })
    }

    /// Runs a request that changes nothing.
    pub(super) async fn read<T>(
        &self,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.run(Access::Read, work).await
    }

    /// Runs a request as one transaction: committed when it succeeds, rolled back when it is refused.
    pub(super) async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.run(Access::Write, work).await
    }

    async fn run<T>(
        &self,
        access: Access,
        work: impl AsyncFnOnce(&mut Transaction) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut transaction = self.store.begin(access).await?;
        match work(&mut transaction).await {
            Ok(done) => {
                transaction.commit().await?;
                Ok(done)
            }
            // Rolled back before the answer goes out: whoever reads it may look into the database at once.
            Err(refusal) => {
                transaction.roll_back().await?;
                Err(refusal)
            }
        }
    }
}
