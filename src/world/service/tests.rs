use super::*;

fn sh(script: &str) -> Launch {
    Launch {
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec![("GREETING".to_owned(), "hello".to_owned())],
        cwd: std::env::temp_dir(),
    }
}

async fn first_line(service: &mut Service) -> String {
    loop {
        if let Some(line) = service.log_tail(100).await.first() {
            return line.clone();
        }
    }
}

/// Whether a process runs; one that has ended and waits to be reaped does not.
fn runs(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim().starts_with('Z'))
}

async fn is_gone(pid: &str) -> bool {
    for _ in 0..500 {
        if !runs(pid) {
            return true;
        }
        sleep(Duration::from_millis(10)).await;
    }
    false
}

#[tokio::test]
async fn a_process_that_ends_leaves_its_status_and_what_it_wrote_last() {
    let mut service = Service::spawn(&sh(
        "echo $GREETING; printf 'cannot \\033[31mbind' >&2; exit 3",
    ))
    .unwrap();
    let status = service.exits_within(Duration::from_secs(10)).await.unwrap();
    assert_eq!(ending(status), "exited with code 3");
    assert_eq!(service.exited(), Some(status), "asking again is fine");
    let mut tail = service.log_tail(10).await;
    tail.sort();
    assert_eq!(tail, ["cannot [31mbind", "hello"]);
    let details = service.log_details().await;
    assert_eq!(details[0], "the last lines of `sh`:");
}

#[tokio::test]
async fn a_process_that_was_killed_says_by_which_signal() {
    let mut service = Service::spawn(&sh("kill -9 $$")).unwrap();
    let status = service.exits_within(Duration::from_secs(10)).await.unwrap();
    assert_eq!(ending(status), "was ended by signal 9");
}

#[tokio::test]
async fn much_output_never_makes_a_process_wait_and_only_the_newest_is_kept() {
    let script = "i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done; echo end";
    let mut service = Service::spawn(&sh(script)).unwrap();
    assert!(
        service
            .exits_within(Duration::from_secs(60))
            .await
            .is_some()
    );
    assert_eq!(service.log_tail(2).await, ["line 29999", "end"]);
    assert!(service.log.0.lock().unwrap().len() <= KEPT_LOG);
}

#[tokio::test]
async fn a_process_is_asked_to_stop_and_may_clean_up() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("cleaned");
    let script = format!(
        "trap 'echo done > {}; exit 0' TERM; echo ready; while :; do sleep 0.01; done",
        mark.display()
    );
    let mut service = Service::spawn(&sh(&script)).unwrap();
    first_line(&mut service).await;
    service.stop().await;
    assert_eq!(std::fs::read_to_string(mark).unwrap(), "done\n");
}

#[tokio::test]
async fn a_process_that_does_not_want_to_stop_is_killed_with_all_its_children() {
    let script = "trap '' TERM; sleep 1000 & echo $$ $!; while :; do sleep 0.05; done";
    let mut service = Service::spawn(&sh(script)).unwrap();
    let pids = first_line(&mut service).await;
    let (parent, child) = pids.split_once(' ').unwrap();
    assert!(runs(parent) && runs(child));
    service.stop().await;
    assert!(is_gone(parent).await && is_gone(child).await);
}

#[tokio::test]
async fn a_service_that_is_dropped_does_not_stay_behind() {
    let mut service = Service::spawn(&sh("sleep 1000 & echo $!; wait")).unwrap();
    let child = first_line(&mut service).await;
    assert!(runs(&child));
    drop(service);
    assert!(is_gone(&child).await);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let launch = Launch {
        command: vec!["./no/such/program".to_owned(), "--port".to_owned()],
        ..sh("")
    };
    let error = Service::spawn(&launch).unwrap_err();
    assert_eq!(error.kind, WorldErrorKind::Service);
    assert!(
        error
            .message
            .starts_with("cannot start `./no/such/program --port`: No such file"),
        "{error}"
    );
    assert!(error.help.unwrap().contains("working directory"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_guarded_process_and_its_children_end_when_venomqa_is_gone_and_only_then() {
    let script = "trap '' TERM; sleep 1000 & echo $!; wait; wait";
    let mut service = Service::spawn_guarded(&sh(script)).unwrap();
    let child = first_line(&mut service).await;
    assert!(
        service
            .exits_within(Duration::from_millis(50))
            .await
            .is_none()
    );
    service.guard.as_mut().unwrap().let_go();
    assert!(
        service
            .exits_within(Duration::from_secs(30))
            .await
            .is_some()
    );
    assert!(is_gone(&child).await);
}
