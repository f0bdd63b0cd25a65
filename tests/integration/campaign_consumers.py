"""The consumers of a campaign: a group of one member and a group of two, which are killed as well.

Each kind of kill is a method. Before and after each kill the positions are checked
(groups.Positions). When nobody writes, what the index of each group calls complete equals the
tables; at the end that is every field.
"""

import shutil

import groups
import index

KINDS = """
    consumer_killed consumer_killed consumer_killed consumer_killed_twice consumer_stopped
    consumer_stopped consumer_loses_state member_leaves member_frozen group_reset
""".split()
# The session timeout is longer than what a busy machine makes a member wait.
SETTINGS = {"session.timeout.ms": "15000", "heartbeat.interval.ms": "500"}


class Consumers:
    def __init__(self, line, rng, sleep):
        self._line = line
        self._rng = rng
        self._sleep = sleep
        self._shared = groups.Group(line, "shared")
        self._groups = [groups.Group(line, "alone"), self._shared]
        self._groups[0].add("only")
        for name in ("first", "second"):
            self._shared.add(name)
        self.positions = groups.Positions(self._groups)

    def start(self):
        for member in self._members():
            member.start()

    def close(self):
        for group in self._groups:
            group.close()

    def check(self):
        """Checks that no member has exited and no position has moved back."""
        for member in self._members():
            assert member.is_running(), f"{member.data_dir} exited:\n{member.log_tail()}"
        self.positions.check()

    def check_end(self):
        """Checks the index of each group; returns how many images each holds."""
        images = [group.check_end(*group.members) for group in self._groups]
        reasons = self._reasons()
        assert not reasons, reasons
        for member in self._members():
            member.wait_until(lambda m=member: m.api.call("/api/ready")[0] == 200, "is not ready")
        return images

    def check_quiet(self):
        """Checks that what each index calls complete equals the tables; returns the reasons of the
        fields that are not."""
        for group in self._groups:
            group.wait_until_shared(*group.members)
            self._line.wait_until_fresh(consumers=group.members)
            index.check_equal(self._line, group.members, complete=False)
        return self._reasons()

    def _reasons(self):
        reasons = set()
        for member in self._members():
            _, answer = member.api.call("/api/ready")
            reasons |= {field["reason"] for field in answer["incomplete_fields"]}
        return sorted(reasons)

    def _members(self):
        return [member for group in self._groups for member in group.members]

    def _pick(self):
        return self._rng.choice(self._members())

    def consumer_killed(self):
        member = self._pick()
        member.kill()
        member.start(wait=False)

    def consumer_killed_twice(self):
        """Kills a member, and kills it again while it starts."""
        member = self._pick()
        for _ in range(2):
            member.kill()
            member.start(wait=False)
            self._sleep(1)

    def consumer_stopped(self):
        self._stop(self._pick()).start(wait=False)

    def consumer_loses_state(self):
        """Kills a member and deletes its data directory; it starts from the topic's beginning."""
        group = self._rng.choice(self._groups)
        member = self._rng.choice(group.members)
        member.kill()
        if member.identity is not None:  # it was killed before it had any state
            group.remove(member)  # or its partitions would have no owner until its session ends
            shutil.rmtree(member.data_dir)
        member.start(wait=False)

    def member_leaves(self):
        """Stops a member; the other one takes over its partitions and gives some of them back."""
        leaving, other = self._rng.sample(self._shared.members, 2)
        self._stop(leaving)
        self._shared.remove(leaving)
        self._shared.wait_until_shared(other)
        leaving.start(wait=False)

    def member_frozen(self):
        """Freezes a member (SIGSTOP) until the group has evicted it and the other one owns all
        partitions, then resumes it."""
        zombie, other = self._rng.sample(self._shared.members, 2)
        zombie.pause()
        self._shared.wait_until_shared(other)
        zombie.resume()

    def group_reset(self):
        """Resets the offsets of a group to the topic's beginning: it replays the topic."""
        group = self._rng.choice(self._groups)
        for member in group.members:
            self._stop(member)
        group.replay()
        self.positions.forget_committed(group)
        for member in group.members:
            member.start(wait=False)

    @staticmethod
    def _stop(member):
        code = member.stop()
        assert code == 0, f"SIGTERM: {code}:\n{member.log_tail()}"
        return member
