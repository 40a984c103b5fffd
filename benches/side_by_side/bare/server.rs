use std::net::SocketAddr;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt,
};
use sqlx::{PgPool, SqlitePool};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{
    creation::{Creation, NewActivity},
    postgres, sqlite,
};

/// A plain pool of either database.
#[derive(Clone)]
pub(super) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Pool {
    pub(super) async fn connect(url: &str, connections: u32) -> Result<Self, sqlx::Error> {
        if url.starts_with("sqlite:") {
            sqlite::pool(url, connections).await.map(Self::Sqlite)
        } else {
            postgres::pool(url, connections).await.map(Self::Postgres)
        }
    }

    pub(super) async fn create(&self, creation: &Creation) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(pool) => sqlite::create(pool, creation).await,
            Self::Postgres(pool) => postgres::create(pool, creation).await,
        }
    }
}

/// Serves `POST /activities` until SIGTERM.
pub(super) async fn run(listen: SocketAddr, url: &str, connections: u32) -> anyhow::Result<()> {
    let pool = Pool::connect(url, connections).await?;
    let router = Router::new()
        .route("/activities", post(create_activity))
        .route("/health/live", get(async || StatusCode::OK))
        .with_state(pool);
    let listener = TcpListener::bind(listen).await?.tap_io(|stream| {
        // Where it cannot be set, answers come later.
        let _ = stream.set_nodelay(true);
    });
    let mut terminate = signal(SignalKind::terminate())?;
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            let _ = terminate.recv().await;
        })
        .await?;
    Ok(())
}

async fn create_activity(State(pool): State<Pool>, Json(new): Json<NewActivity>) -> Response {
    match create(&pool, new).await {
        Ok(response) => response,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn create(pool: &Pool, new: NewActivity) -> anyhow::Result<Response> {
    let creation = Creation::new(new)?;
    pool.create(&creation).await?;
    let location = [(LOCATION, format!("/activities/{}", creation.activity))];
    Ok((StatusCode::CREATED, location, Json(creation.stored())).into_response())
}
