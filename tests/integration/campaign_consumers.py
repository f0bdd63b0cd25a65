"""The consumers of a campaign: a group of one member and a group of two, which are killed as well.

Each kind of kill is a method. Positions hold at any moment (groups.Positions); in the end the index
of each group is complete and equals the tables.
"""

import shutil

import groups

KINDS = """
    consumer_killed consumer_killed consumer_killed consumer_killed_twice consumer_stopped
    consumer_stopped consumer_loses_state member_leaves member_stopped_by_hand
""".split()
# The shortest session that a broker allows by default, and members that hear of news soon.
SETTINGS = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "500"}


class Consumers:
    def __init__(self, line, rng, sleep):
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
        """Nobody has ended by himself, and nothing went back."""
        for member in self._members():
            assert member.is_running(), f"{member.data_dir} ended:\n{member.log_tail()}"
        self.positions.look()

    def check_end(self):
        """Returns how many images are in the index of each group."""
        return [group.check_end(*group.members) for group in self._groups]

    def _members(self):
        return [member for group in self._groups for member in group.members]

    def _pick(self):
        return self._rng.choice(self._members())

    def consumer_killed(self):
        member = self._pick()
        member.kill()
        member.start(wait=False)

    def consumer_killed_twice(self):
        """Again while it starts."""
        member = self._pick()
        for _ in range(2):
            member.kill()
            member.start(wait=False)
            self._sleep(1)

    def consumer_stopped(self):
        self._stop(self._pick()).start(wait=False)

    def consumer_loses_state(self):
        """It begins again with the beginning of the topic."""
        member = self._pick()
        member.kill()
        shutil.rmtree(member.data_dir)
        member.start(wait=False)

    def member_leaves(self):
        """Another one takes over all it had, and gives some of it back."""
        leaving, other = self._rng.sample(self._shared.members, 2)
        self._stop(leaving)
        self._shared.wait_until_shared(other)
        leaving.start(wait=False)

    def member_stopped_by_hand(self):
        """SIGSTOP, for longer than the group waits; it wakes up when another one has it all."""
        zombie, other = self._rng.sample(self._shared.members, 2)
        zombie.pause()
        self._shared.wait_until_shared(other)
        zombie.resume()

    @staticmethod
    def _stop(member):
        code = member.stop()
        assert code == 0, f"SIGTERM: {code}:\n{member.log_tail()}"
        return member
