"""What a pod's containers are given, and what is told of them, as on a real node."""

import asyncio
import sys

import psutil
from sandbox.cluster import Cluster
from support.pods import PodClient, condition, eventually, shell, state, terminated, waiting_reason


async def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if psutil.pid_exists(pid)]


async def test_success_exit_code_and_termination_message(pods: PodClient) -> None:
    script = 'echo working; printf verdict > "$END"; exit 0'
    env = [{"name": "END", "value": "/dev/termination-log"}]
    await pods.run("ok", shell(script, env=env))
    pod = await pods.until_phase("ok", "Succeeded")
    end = terminated(pod)
    assert (end["exitCode"], end["reason"], end["message"]) == (0, "Completed", "verdict")
    assert end["startedAt"] <= end["finishedAt"]
    assert condition(pod, "Ready")["reason"] == "PodCompleted"
    assert condition(pod, "PodScheduled")["status"] == "True"
    assert pod["status"]["hostIP"] == pod["status"]["podIP"] == "127.0.0.1"
    reasons = [reason for reason, _ in await pods.events("ok")]
    assert {"Scheduled", "Pulled", "Created", "Started"} <= set(reasons)


async def test_failure_tells_the_end_of_the_output_when_asked(pods: PodClient) -> None:
    await pods.run("bad", shell("echo out of ideas; exit 11", terminationMessagePolicy="FallbackToLogsOnError"))
    end = terminated(await pods.until_phase("bad", "Failed"))
    assert (end["exitCode"], end["reason"], end["message"]) == (11, "Error", "out of ideas\n")


async def test_environment_is_what_the_pod_says_and_nothing_of_the_host(pods: PodClient, cluster: Cluster) -> None:
    await pods.create("configmaps", {"metadata": {"name": "settings"}, "data": {"RATE": "2e-4"}})
    await pods.create("secrets", {"metadata": {"name": "hub"}, "stringData": {"token": "hf_x"}})
    env = [
        {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "RUN", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['run']"}}},
        {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
        {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "SENTENCE", "value": "$(WHO) runs at $(RATE)"},
    ]
    container = shell(
        "env", env=env, envFrom=[{"configMapRef": {"name": "settings"}}], resources={"limits": {"cpu": "1"}}
    )
    await pods.run("env", container, metadata={"labels": {"run": "7"}})
    await pods.until_phase("env", "Succeeded")
    output = cluster.kubectl("logs", "-n", pods.namespace, "env").stdout
    seen = dict(line.split("=", 1) for line in output.splitlines())
    expected = {
        "WHO": "env",
        "RUN": "7",
        "HF_TOKEN": "hf_x",
        "CPUS": "1",
        "RATE": "2e-4",
        "SENTENCE": "env runs at 2e-4",
    }
    assert expected.items() <= seen.items()
    own = {"PATH", "LANG", "HOME", "TMPDIR", "HOSTNAME", "SANDBOX_CONTAINER"}
    of_the_shell = {"PWD", "OLDPWD", "SHLVL", "_"}
    assert set(seen) <= set(expected) | own | of_the_shell
    assert seen["PATH"].startswith(f"{sys.prefix}/bin:")


async def test_missing_source_of_a_variable_is_told_and_mended(pods: PodClient) -> None:
    env = [{"name": "RATE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "rate"}}}]
    await pods.run("later", shell('test "$RATE" = 1', env=env))
    pod = await pods.until("later", lambda pod: waiting_reason(pod) == "CreateContainerConfigError")
    assert state(pod)["waiting"]["message"] == 'configmap "settings" not found'
    await pods.create("configmaps", {"metadata": {"name": "settings"}, "data": {"rate": "1"}})
    await pods.until_phase("later", "Succeeded")


async def test_init_containers_run_in_order_before_the_others(pods: PodClient) -> None:
    mounts = {
        "volumeMounts": [{"name": "shared", "mountPath": "/shared"}],
        "env": [{"name": "OUT", "value": "/shared/log"}],
    }
    init = [shell("echo one >> $OUT", **mounts), {**shell("echo two >> $OUT", **mounts), "name": "second"}]
    main = {**shell('test "$(cat $OUT)" = "$(printf "one\\ntwo")"', **mounts), "name": "app"}
    await pods.run("order", main, initContainers=init, volumes=[{"name": "shared", "emptyDir": {}}])
    pod = await pods.until_phase("order", "Succeeded")
    assert [status["state"]["terminated"]["exitCode"] for status in pod["status"]["initContainerStatuses"]] == [0, 0]


async def test_failed_init_container_fails_the_pod(pods: PodClient) -> None:
    await pods.run("init", {**shell("true"), "name": "app"}, initContainers=[shell("exit 4")])
    pod = await pods.until_phase("init", "Failed")
    assert pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 4
    assert waiting_reason(pod) == "PodInitializing"


async def test_failed_container_is_restarted_at_once_and_then_backed_off(pods: PodClient) -> None:
    await pods.run("crash", shell("exit 3"), restartPolicy="OnFailure")
    pod = await pods.until("crash", lambda pod: waiting_reason(pod) == "CrashLoopBackOff")
    status = pod["status"]["containerStatuses"][0]
    assert pod["status"]["phase"] == "Running"
    assert status["restartCount"] == 1
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["state"]["waiting"]["message"].startswith("back-off 10s restarting failed container=main")


async def test_program_that_does_not_exist(pods: PodClient) -> None:
    await pods.run("typo", {"name": "main", "image": "sandbox/busybox", "command": ["visionft-trainr"]})
    end = terminated(await pods.until_phase("typo", "Failed"))
    assert (end["exitCode"], end["reason"]) == (128, "StartError")
    assert 'exec: "visionft-trainr": executable file not found in $PATH' in end["message"]


async def test_deleted_pod_gets_sigterm_and_time_to_end(pods: PodClient, cluster: Cluster) -> None:
    await pods.run(
        "graceful", shell("trap 'echo saved; exit 0' TERM; echo up; sleep 60 & wait"), terminationGracePeriodSeconds=20
    )
    await pods.until_phase("graceful", "Running")
    assert cluster.node.processes(pods.namespace, "graceful")
    log = asyncio.create_task(asyncio.to_thread(cluster.kubectl, "logs", "-f", "-n", pods.namespace, "graceful"))
    await asyncio.sleep(1)
    await pods.delete("graceful")
    await pods.until_gone("graceful")
    assert (await log).stdout == "up\nsaved\n"
    assert cluster.node.processes(pods.namespace, "graceful") == []


async def test_stubborn_pod_is_killed_with_all_its_processes(pods: PodClient, cluster: Cluster) -> None:
    script = "trap '' TERM; setsid sleep 600 & while true; do sleep 600; done"
    await pods.run("stubborn", shell(script), terminationGracePeriodSeconds=1)
    await pods.until_phase("stubborn", "Running")
    await asyncio.sleep(0.5)
    pids = cluster.node.processes(pods.namespace, "stubborn")
    assert len(pids) == 3
    await pods.delete("stubborn")
    await pods.until_gone("stubborn")
    # A killed process is there until its parent has asked for its exit code.
    await eventually(lambda: alive(pids), lambda left: not left)


async def test_forced_deletion_leaves_no_process(pods: PodClient, cluster: Cluster) -> None:
    await pods.run("forced", shell("trap '' TERM; while true; do sleep 600; done"), terminationGracePeriodSeconds=300)
    await pods.until_phase("forced", "Running")
    pids = cluster.node.processes(pods.namespace, "forced")
    await pods.delete("forced", grace_seconds=0)
    await eventually(lambda: alive(pids), lambda left: not left)


async def test_pod_that_never_started_can_be_deleted(pods: PodClient) -> None:
    await pods.run(
        "stuck", shell("true", envFrom=[{"configMapRef": {"name": "gone"}}]), terminationGracePeriodSeconds=300
    )
    await pods.until("stuck", lambda pod: waiting_reason(pod) == "CreateContainerConfigError")
    await pods.delete("stuck")
    await pods.until_gone("stuck")


async def test_pod_that_overruns_its_deadline_fails(pods: PodClient) -> None:
    await pods.run("slow", shell("sleep 60"), activeDeadlineSeconds=1)
    pod = await pods.until_phase("slow", "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert terminated(pod)["exitCode"] == 143


async def test_logs_of_running_ended_and_restarted_containers(pods: PodClient, cluster: Cluster) -> None:
    def logs(*arguments: str) -> str:
        return str(cluster.kubectl("logs", "-n", pods.namespace, "talk", *arguments).stdout)

    await pods.run("talk", shell("for i in 1 2 3; do echo line $i; done; exit 1"), restartPolicy="OnFailure")
    await pods.until("talk", lambda pod: waiting_reason(pod) == "CrashLoopBackOff")
    assert logs() == "line 1\nline 2\nline 3\n"
    assert logs("--tail=2") == "line 2\nline 3\n"
    assert logs("--previous") == "line 1\nline 2\nline 3\n"


async def test_logs_that_are_not_there_say_why(pods: PodClient, cluster: Cluster) -> None:
    await pods.run("none", shell("true", envFrom=[{"configMapRef": {"name": "gone"}}]))
    await pods.until("none", lambda pod: waiting_reason(pod) == "CreateContainerConfigError")
    said = cluster.kubectl("logs", "-n", pods.namespace, "none").stderr
    assert 'container "main" in pod "none" is waiting to start: CreateContainerConfigError' in said
    said = cluster.kubectl("logs", "-n", pods.namespace, "none", "--previous").stderr
    assert 'previous terminated container "main" in pod "none" not found' in said


async def test_restart_of_the_api_server_does_not_disturb_a_running_pod(pods: PodClient, cluster: Cluster) -> None:
    await pods.run("steady", shell("sleep 6; exit 9"))
    before = await pods.until_phase("steady", "Running")
    await asyncio.to_thread(cluster.restart_apiserver)
    after = await pods.until_phase("steady", "Failed")
    assert terminated(after)["exitCode"] == 9
    assert after["status"]["containerStatuses"][0]["restartCount"] == 0
    started = before["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]
    assert terminated(after)["startedAt"] == started
