// SPDX-License-Identifier: Apache-2.0
// Copyright the Bulkhead authors
//
// The first program of a guest that `bulkhead guest linux` packed: it mounts what every Linux program expects, runs the
// one that the image is for, and powers off with its end. It needs nothing of the image: that may have no shell and no
// library. What to run is in /.bulkhead/run: lines "KEY VALUE", each ended by a zero instead of a line end.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace {

struct Run {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    std::vector<gid_t> groups;
    std::string folder = "/";
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
};

void complain(const char* what) { std::printf("bulkhead-init: %s: %s\n", what, std::strerror(errno)); }

std::string read_file(const char* path) {
    std::string text;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        complain(path);
        return text;
    }
    char piece[4096];
    ssize_t size = 0;
    while ((size = read(file, piece, sizeof piece)) > 0)
        text.append(piece, static_cast<std::size_t>(size));
    close(file);
    return text;
}

void take(Run& run, const std::string& key, const std::string& value) {
    const auto number = static_cast<unsigned>(std::strtoul(value.c_str(), nullptr, 10));
    if (key == "argument")
        run.arguments.push_back(value);
    else if (key == "environment")
        run.environment.push_back(value);
    else if (key == "folder")
        run.folder = value;
    else if (key == "name")
        run.name = value;
    else if (key == "uid")
        run.uid = number;
    else if (key == "gid")
        run.gid = number;
    else if (key == "group")
        run.groups.push_back(number);
}

Run read_run(const std::string& text) {
    Run run;
    for (std::size_t at = 0; at < text.size();) {
        const std::string line(text.c_str() + at);
        at += line.size() + 1;
        const std::size_t blank = line.find(' ');
        if (blank != std::string::npos)
            take(run, line.substr(0, blank), line.substr(blank + 1));
    }
    return run;
}

struct Mount {
    const char* type;
    const char* folder;
    const char* options;
};

void mount_all() {
    constexpr Mount mounts[] = {{"proc", "/proc", ""},
                                {"sysfs", "/sys", ""},
                                {"devtmpfs", "/dev", "mode=0755"},
                                {"devpts", "/dev/pts", "mode=0620,gid=5,ptmxmode=0666"},
                                {"tmpfs", "/dev/shm", "mode=1777"}};
    for (const Mount& each : mounts) {
        mkdir(each.folder, 0755);
        if (mount(each.type, each.folder, each.type, 0, each.options) != 0)
            complain(each.folder);
    }
}

/// The kernel opened the image's own /dev/console, which is hidden now: nobody could find the terminal's name.
void reopen_console() {
    const int console = open("/dev/console", O_RDWR | O_NOCTTY);
    if (console < 0)
        return complain("/dev/console");
    for (int stream = 0; stream <= 2; ++stream)
        dup2(console, stream);
    if (console > 2)
        close(console);
}

/// What OCI's runtime specification has in /dev beside devices. The program's user may open the console by them, too.
void link_streams(const Run& run) {
    constexpr const char* links[][2] = {{"/proc/self/fd", "/dev/fd"},
                                        {"/proc/self/fd/0", "/dev/stdin"},
                                        {"/proc/self/fd/1", "/dev/stdout"},
                                        {"/proc/self/fd/2", "/dev/stderr"}};
    for (const auto& [target, link] : links)
        if (symlink(target, link) != 0 && errno != EEXIST)
            complain(link);
    if (fchown(0, run.uid, run.gid) != 0)
        complain("the console's owner");
}

/// Linux unpacks what fits, and says nothing of the rest.
void look_for_room() {
    struct statvfs root {};
    if (statvfs("/", &root) == 0 && (root.f_bfree == 0 || (root.f_files != 0 && root.f_ffree == 0)))
        std::puts("bulkhead-init: the root file system is full, and files may be missing: give the guest more memory");
}

/// With the folders that it is in. Those that are there stay.
void make_folder(const std::string& path) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
        mkdir(path.substr(0, slash).c_str(), 0755);
    mkdir(path.c_str(), 0755);
}

/// Programs talk to themselves by 127.0.0.1.
void raise_loopback() {
    const int handle = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (handle < 0)
        return; // a kernel without a network
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (ioctl(handle, SIOCSIFFLAGS, &request) != 0)
        complain("lo");
    close(handle);
}

/// A container's engine makes it, and so images have none, or an empty one.
void name_addresses(const Run& run) {
    constexpr const char* file = "/etc/hosts";
    struct stat hosts {};
    if (stat(file, &hosts) == 0 && hosts.st_size != 0)
        return;
    mkdir("/etc", 0755);
    FILE* const out = std::fopen(file, "we");
    if (out == nullptr)
        return complain(file);
    std::fputs("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n", out);
    if (!run.name.empty())
        std::fprintf(out, "127.0.1.1 %s\n", run.name.c_str());
    std::fclose(out);
}

[[noreturn]] void run_program(const Run& run) {
    constexpr int not_found = 127;
    make_folder(run.folder); // an image may name one that it lacks
    setsid();
    ioctl(0, TIOCSCTTY, 0); // so that ^C reaches it
    if (setgroups(run.groups.size(), run.groups.data()) != 0 || setgid(run.gid) != 0 || setuid(run.uid) != 0) {
        complain("the user");
        _exit(not_found);
    }
    if (chdir(run.folder.c_str()) != 0)
        complain(run.folder.c_str());
    clearenv();
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
    setenv("TERM", "vt220", 1); // a serial line: what is behind it nobody says
    for (const std::string& variable : run.environment)
        putenv(strdup(variable.c_str()));
    std::vector<char*> arguments;
    for (const std::string& argument : run.arguments)
        arguments.push_back(strdup(argument.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    complain(arguments[0]);
    _exit(not_found);
}

/// Waits for the program, and for the orphans that the kernel gives to the first program.
int wait_for(pid_t program) {
    while (true) {
        int status = 0;
        const pid_t ended = wait(&status);
        if (ended == program)
            return status;
        if (ended < 0 && errno == ECHILD)
            return -1;
    }
}

} // namespace

int main() {
    setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    look_for_room();
    mount_all();
    reopen_console();
    raise_loopback();
    const Run run = read_run(read_file("/.bulkhead/run"));
    link_streams(run);
    name_addresses(run);
    if (!run.name.empty() && sethostname(run.name.data(), run.name.size()) != 0)
        complain("the host's name");
    if (run.arguments.empty()) {
        std::puts("bulkhead-init: there is nothing to run");
    } else {
        std::fflush(stdout);
        const pid_t program = fork();
        if (program == 0)
            run_program(run);
        const int status = program < 0 ? -1 : wait_for(program);
        if (WIFEXITED(status))
            std::printf("bulkhead-init: %s ended with status %d\n", run.arguments[0].c_str(), WEXITSTATUS(status));
        else
            std::printf("bulkhead-init: %s was ended by signal %d\n", run.arguments[0].c_str(), WTERMSIG(status));
    }
    std::fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    complain("power-off");
    while (true)
        pause();
}
