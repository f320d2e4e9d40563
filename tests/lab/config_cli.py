# SPDX-License-Identifier: BSD-3-Clause
"""The command line: checking and printing a configuration, options that would mislead, directives
as arguments, the background and its pidfile, and which of the two programs does what."""

import os
import re
import shutil
import signal
import subprocess
import time

import lab
from lab import DAEMON, PATIENCE, SERVER, Skip, case, check, equal, wait_until
from wire_bench import WireBench


def prepare(lab, stack):
    return WireBench(lab, start=False)


def run(bench, *arguments, **options):
    return bench.server.run(DAEMON, *arguments, **options)


@case("print", "-p prints what is in effect, includes and all, starts nothing and exits 0")
def print_config(bench):
    part = bench.lab.file("part.conf", "# a comment\n  ALLOW   10.1   \ndeny all 10.1.2\n")
    path = bench.lab.file("timeball.conf", bench.config + "! another\ninclude %s\n" % part
                          + "makestep 1.0 3\nserver 127.127.1.1\n")
    result = run(bench, "-p", "-f", path)
    equal(result.returncode, 0, "exit status; " + result.stderr)
    lines = result.stdout.splitlines()
    for line in ("serve " + bench.serve, "local stratum 10", "allow 10.1", "deny all 10.1.2",
                 "makestep 1.0 3"):
        check(line in lines, "%r is not in: %s" % (line, result.stdout))
    check("comment" not in result.stdout and "include" not in result.stdout, result.stdout)
    again = run(bench, "-p", "-f", bench.lab.file("again.conf", result.stdout))
    equal((again.returncode, again.stdout), (0, result.stdout), "what it printed, printed again")
    # It needs no rights, no port and no interface.
    other = run(bench, "-p", "serve net_af_packet0,iface=nosuch0 address 192.168.1.10/24")
    equal((other.returncode, other.stdout),
          (0, "serve net_af_packet0,iface=nosuch0 address 192.168.1.10/24\n"), "status and output")


def complains(result, *words):
    """Exit status 1 and one line with all the words."""
    equal(result.returncode, 1, "exit status; %s%s" % (result.stdout, result.stderr))
    equal(result.stdout, "", "standard output")
    equal(result.stderr.count("\n"), 1, "lines of: " + result.stderr)
    for word in words:
        check(word in result.stderr, "%r is not in: %s" % (word, result.stderr))


@case("bad", "a bad directive, in a file or on the command line, is exit status 1 and one line")
def bad_directive(bench):
    path = bench.lab.file("bad.conf", "local stratum 10\n\n# x\nalow 10.0.0.0/8\n")
    complains(run(bench, "-p", "-f", path), path, "line 4", "allow")
    complains(run(bench, "-d", "-x", "-f", path), path, "line 4", "allow")
    complains(run(bench, "-p", "local stratum 10", "alow 10.0.0.0/8"), "allow", "2")
    inner = bench.lab.file("inner.conf", "local\nalow\n")
    outer = bench.lab.file("outer.conf", "include %s\n" % inner)
    complains(run(bench, "-p", "-f", outer), inner, "line 2")
    complains(run(bench, "-p", "include /nowhere/*.conf"), "/nowhere/*.conf")


@case("refused", "options that would mislead a script fail, and say so")
def refused_options(bench):
    complains(run(bench, "-z"), "-z")
    complains(run(bench, "-f"), "-f")
    complains(run(bench, "-P", "500"), "-P")
    nothing = run(bench, "-x", "-d", "local stratum 10")
    equal(nothing.returncode, 1, "exit status with nothing to serve")
    check("serve" in nothing.stderr.splitlines()[-1], nothing.stderr)


@case("version", "-v and -h print and exit 0")
def version(bench):
    result = run(bench, "-v")
    check(result.returncode == 0 and re.fullmatch(r"timeballd \S+\n", result.stdout),
          "%r" % result)
    result = run(bench, "-h")
    check(result.returncode == 0 and "-f FILE" in result.stdout, "%r" % result)


def wait_dead(pid, within):
    """The daemon is no child of ours: it went into the background."""
    started = time.monotonic()

    def gone():
        try:
            # Our first process inherits it, and buries it here.
            return os.waitpid(pid, os.WNOHANG)[0] == pid
        except ChildProcessError:
            return not os.path.exists("/proc/%d" % pid)
    wait_until(gone, "process %d ends" % pid, PATIENCE)
    check(time.monotonic() - started < within, "ending took %.2f s" % (time.monotonic() - started))


def background(bench, pidfile, log, *more):
    """Starts it as an init script would; returns the completed parent."""
    config = bench.config.replace("pidfile /", "pidfile " + pidfile)
    folder, name = os.path.split(bench.lab.file("timeball.conf", config))
    # Its own files instead of pipes: a pipe would stay open in the child and keep us waiting.
    out = bench.lab.path("out")
    with bench.server, open(out, "w") as file:
        parent = subprocess.run([DAEMON, "-x", "-l", log, "-f", name, *more], cwd=folder,
                                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                timeout=PATIENCE)
    return parent.returncode, read(out)


def read(path):
    with open(path) as file:
        return file.read()


@case("background", "the parent exits when the pidfile is in place and the port serves")
def goes_to_background(bench):
    pidfile, log = bench.lab.path("timeball.pid"), bench.lab.path("log")
    status, said = background(bench, pidfile, log)
    equal((status, said), (0, ""), "exit status and output of the parent")
    # No waiting here: what a script does next must find it all.
    pid = int(read(pidfile))
    try:
        os.kill(pid, 0)
        equal(os.getsid(pid), pid, "its session")
        attach(bench, log)
        equal(bench.ask().leap, 0, "LI")

        # The pidfile is another's: refused, and the other lives on.
        status, said = background(bench, pidfile, bench.lab.path("log"))
        equal(status, 1, "exit status of a second start; " + said)
        check(pidfile in said and said.count("\n") == 1, "a second start says: " + said)
        equal(int(read(pidfile)), pid, "the pidfile after a second start")
        equal(bench.ask().leap, 0, "LI after a second start")
        status, said = background(bench, pidfile, bench.lab.path("log"), "-n")
        equal(status, 1, "exit status of a second start in the foreground; " + said)

        # The file was named from another folder than the one it lives in now.
        os.kill(pid, signal.SIGHUP)
        wait_until(lambda: "reload:" in read(log), "SIGHUP is heard")
        check("access rules in effect" in read(log), "reload failed; log:\n" + read(log))
    finally:
        os.kill(pid, signal.SIGTERM)
        wait_dead(pid, within=2)
    check(not os.path.exists(pidfile), "the pidfile is left behind")
    check("serving" in read(log), "the log file has no word of it")


def attach(bench, log):
    """The bench asks a daemon it did not start."""
    class Started:
        def story(self):
            return read(log)
    bench.attach(Started())


@case("background-fails", "a background start that fails: status 1 and one line on the terminal")
def background_fails(bench):
    pidfile, log = bench.lab.path("timeball.pid"), bench.lab.path("log")
    status, said = background(bench, pidfile, log, "local stratum 10")
    equal(status, 1, "exit status; " + said)
    check("serve" in said, "it says: " + said)
    broken = WireBench.__new__(WireBench)
    broken.__dict__.update(bench.__dict__, config=bench.config.replace("srv0", "nosuch0"))
    status, said = background(broken, pidfile, log)
    equal(status, 1, "exit status; " + said)
    check("nosuch0" in said.strip().splitlines()[-1], "it says: " + said)
    check(not os.path.exists(pidfile), "the pidfile is left behind")


@case("arguments", "directives as arguments stand for the file; SIGHUP then changes nothing")
def arguments(bench):
    lines = bench.config.splitlines()
    daemon = bench.start(bench.config.replace("local stratum 10", "local stratum 3"),
                         arguments=lines)
    equal(bench.ask().stratum, 10, "stratum")
    start = len(daemon.log())
    daemon.reload()
    daemon.wait_log("reload", start=start)
    equal(bench.ask().stratum, 10, "stratum after SIGHUP")
    equal(daemon.stop(within=2), 0, "exit status")


@case("exit-after", "-t ends it after its time, as if told to")
def exit_after(bench):
    started = time.monotonic()
    daemon = bench.start(arguments=("-t", "2"))
    bench.ask()
    equal(daemon.process.wait(PATIENCE), 0, "exit status")
    check(time.monotonic() - started > 1.8, "it ended after %.2f s" % (time.monotonic() - started))


def alone(bench):
    """timeballd without the other program beside it."""
    folder = bench.lab.path("alone")
    os.mkdir(folder)
    return shutil.copy(DAEMON, folder)


@case("client-alone", "timeballd alone prints, follows and checks; what it cannot serve without, it names")
def client_alone(bench):
    program = alone(bench)
    config = bench.lab.file("timeball.conf", bench.config)
    result = bench.server.run(program, "-p", "-f", config)
    check(result.returncode == 0 and "serve " + bench.serve in result.stdout, "%r" % result)
    complains(bench.server.run(program, "-d", "-x", "-f", config), program + "-serve", "No such file")
    # Not the log, not the background: nothing is there yet that would have to be undone.
    log = bench.lab.path("log")
    complains(bench.server.run(program, "-x", "-l", log, "-f", config), program + "-serve")
    check(not os.path.exists(log), "it wrote to the log")
    for arguments, status in (("-d", "-x", "-t", "1", "server 127.0.0.9", "pidfile /"), 1), (("-Q", "local"), 1):
        result = bench.server.run(program, *arguments)
        equal(result.returncode, status, "exit status; " + result.stderr)
        check("-serve" not in result.stderr, "%s said: %s" % (arguments, result.stderr))
    piped = bench.server.run("sh", "-c", "echo 'serve net_tap0 address 198.18.0.1/24' | %s -x -d -f /dev/stdin" % DAEMON)
    complains(piped, "pipe", "timeballd-serve")


@case("one-becomes-the-other", "timeballd has done nothing but read when it becomes timeballd-serve, which is all of it")
def becomes(bench):
    if not shutil.which("strace"):
        raise Skip("no strace")
    trace = bench.lab.path("trace")
    config = bench.lab.file("timeball.conf", bench.config)
    # Directives before options: the second program has to read them as the first did.
    for words in ("-d", "-x", "-t", "1", "-f", config), (*bench.config.splitlines(), "-d", "-x", "-t", "1"):
        result = bench.server.run(shutil.which("strace"), "-o", trace, DAEMON, *words)
        equal(result.returncode, 0, "exit status; " + result.stderr)
        check("serving" in result.stderr, "it said: " + result.stderr)
        calls = read(trace).splitlines()
        second = next(number for number, line in enumerate(calls[1:], 1) if line.startswith("execve("))
        equal(re.match(r'execve\("([^"]+)"', calls[second])[1], os.path.realpath(SERVER), "what it becomes")
        names = {line.split("(")[0] for line in calls[:second]}
        equal(names & set("socket clone clone3 fork vfork write fcntl mlockall unlink mkdir rt_sigaction".split()),
              set(), "system calls before that")
        written = [line for line in calls[:second] if re.search("O_(WRONLY|RDWR|CREAT)", line)]
        equal(written, [], "files opened for writing before that")
    result = bench.server.run(SERVER, "-d", "-x", "-t", "1", "-f", config)
    check(result.returncode == 0 and "serving" in result.stderr, "%r" % result)
    result = bench.server.run(SERVER, "-Q", "-t", "1", "server 127.0.0.9")
    check(result.returncode == 1 and "Timeout reached" in result.stderr, "%r" % result)


if __name__ == "__main__":
    lab.main(prepare)
