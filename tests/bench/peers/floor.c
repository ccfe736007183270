/* The floor: what sending costs when nothing else is done. Rooms over websockets, one send() for each delivery.
 *
 *     cc -O2 -o floor floor.c && PORT=7000 PAD=700 ./floor
 *
 * Measured with it: the processor time of a delivery that no server in any language can go below without sending less
 * often. It knows nobody, stores nothing and checks nothing. The first text frame of a connection, "join:NUMBER", puts
 * it into a room and is answered with "joined"; every other one goes to all of that room as a JSON event with PAD bytes
 * of padding, so that its frames are as large as Parley's. What a socket does not take at once is kept, up to 1 MiB;
 * whoever owes more is dropped. The load generator (--raw) verifies what arrives.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_FILES = 65536, MOST_ROOMS = 65536, MOST_OWED = 1 << 20, LONGEST = 64 << 10 };

struct client {
    bool upgraded;
    int room, place;                     /* 0: in none yet */
    unsigned char *in; size_t in_length; /* an unfinished frame */
    char *owed; size_t owed_length, owed_sent;
};
struct room { int *members, count, size; };

static struct client clients[MOST_FILES];
static struct room rooms[MOST_ROOMS];
static int epoll;
static char *padding;

static void drop(int fd) {
    struct client *c = &clients[fd];
    if (c->room) {
        struct room *r = &rooms[c->room];
        int last = r->members[--r->count];
        r->members[c->place] = last;
        clients[last].place = c->place;
    }
    free(c->in);
    free(c->owed);
    *c = (struct client){0};
    close(fd);
}

static void watch(int fd, uint32_t events) {
    struct epoll_event event = {events, {.fd = fd}};
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
}

/* False: it owes too much or is gone, and has to be dropped. */
static bool put(int fd, const char *bytes, size_t length) {
    struct client *c = &clients[fd];
    if (c->owed_length == c->owed_sent) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent == (ssize_t)length) return true;
        if (sent < 0 && errno != EAGAIN) return false;
        if (sent > 0) { bytes += sent; length -= sent; }
        c->owed_length = c->owed_sent = 0;
    }
    if (c->owed_length - c->owed_sent + length > MOST_OWED) return false;
    if (!c->owed && !(c->owed = malloc(MOST_OWED))) return false;
    if (c->owed_length + length > MOST_OWED) {
        memmove(c->owed, c->owed + c->owed_sent, c->owed_length - c->owed_sent);
        c->owed_length -= c->owed_sent;
        c->owed_sent = 0;
    }
    memcpy(c->owed + c->owed_length, bytes, length);
    c->owed_length += length;
    watch(fd, EPOLLIN | EPOLLOUT);
    return true;
}

static void send_owed(int fd) {
    struct client *c = &clients[fd];
    while (c->owed_sent < c->owed_length) {
        ssize_t sent = send(fd, c->owed + c->owed_sent, c->owed_length - c->owed_sent, MSG_NOSIGNAL);
        if (sent < 0) return;
        c->owed_sent += sent;
    }
    c->owed_length = c->owed_sent = 0;
    watch(fd, EPOLLIN);
}

static size_t frame(char *out, const char *payload, size_t length) {
    size_t header = length < 126 ? 2 : 4;
    out[0] = (char)0x81;
    out[1] = (char)(header == 2 ? length : 126);
    if (header == 4) { out[2] = (char)(length >> 8); out[3] = (char)length; }
    memcpy(out + header, payload, length);
    return header + length;
}

static void enter(int fd, int number) {
    struct client *c = &clients[fd];
    struct room *r = &rooms[number];
    char answer[16];
    if (r->count == r->size) {
        r->size = r->size ? r->size * 2 : 16;
        r->members = realloc(r->members, r->size * sizeof *r->members);
    }
    c->room = number;
    c->place = r->count;
    r->members[r->count++] = fd;
    put(fd, answer, frame(answer, "joined", 6));
}

static void relay(int number, const char *text, size_t length) {
    static char payload[LONGEST], out[LONGEST + 4];
    static unsigned long id;
    struct room *r = &rooms[number];
    int n = snprintf(payload, sizeof payload, "[\"message\",{\"id\":%lu,\"room\":%d,\"text\":\"%.*s\",\"html\":\"%s\"}]",
                     ++id, number, (int)length, text, padding);
    if (n >= LONGEST) return;
    size_t size = frame(out, payload, n);
    for (int i = 0; i < r->count; i++)
        if (!put(r->members[i], out, size)) drop(r->members[i--]);
}

static void got(int fd, char *text, size_t length) {
    if (clients[fd].room) { relay(clients[fd].room, text, length); return; }
    int number = length > 5 ? atoi(text + 5) : 0;
    if (number > 0 && number < MOST_ROOMS) enter(fd, number);
}

static void read_from(int fd) {
    static unsigned char buffer[LONGEST * 2 + 1];
    struct client *c = &clients[fd];
    size_t at = 0, length = c->in_length;
    if (length) memcpy(buffer, c->in, length);
    ssize_t received = recv(fd, buffer + length, sizeof buffer - 1 - length, 0);
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) { drop(fd); return; }
    length += received;
    if (!c->upgraded) {
        unsigned char *end = memmem(buffer, length, "\r\n\r\n", 4);
        if (end) { /* the load generator always sends the same key, so the answer is always the same */
            static const char accept[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                         "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            at = end + 4 - buffer;
            c->upgraded = true;
            put(fd, accept, sizeof accept - 1);
        }
    }
    while (c->upgraded && length - at >= 6) {
        unsigned char *f = buffer + at;
        size_t header = 2, size = f[1] & 127;
        if (size == 126) { size = f[2] << 8 | f[3]; header = 4; }
        if (length - at < header + 4 + size) break;
        unsigned char *mask = f + header, *payload = mask + 4;
        for (size_t i = 0; i < size; i++) payload[i] ^= mask[i & 3];
        if ((f[0] & 15) == 8) { drop(fd); return; }
        if ((f[0] & 15) == 1) {
            unsigned char next = payload[size];
            payload[size] = 0; /* for atoi; put back, it may be the next frame's */
            got(fd, (char *)payload, size);
            payload[size] = next;
        }
        at += header + 4 + size;
    }
    if (!(c->in_length = length - at)) return;
    c->in = realloc(c->in, c->in_length);
    memcpy(c->in, buffer + at, c->in_length);
}

int main(void) {
    const char *port = getenv("PORT"), *pad = getenv("PAD");
    if (!port) { fputs("Set PORT.\n", stderr); return 2; }
    padding = calloc(1, (pad ? atoi(pad) : 0) + 1);
    memset(padding, 'x', pad ? atoi(pad) : 0);
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max < MOST_FILES ? files.rlim_max : MOST_FILES;
    setrlimit(RLIMIT_NOFILE, &files);

    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) { perror("listen"); return 1; }
    epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {.fd = listener}}, events[1024];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);

    for (;;) {
        int count = epoll_wait(epoll, events, 1024, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd != listener) {
                if (events[i].events & EPOLLOUT) send_owed(fd);
                if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_from(fd);
                continue;
            }
            for (int client; (client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                clients[client] = (struct client){0};
                struct epoll_event its = {EPOLLIN, {.fd = client}};
                epoll_ctl(epoll, EPOLL_CTL_ADD, client, &its);
            }
        }
    }
}
