// Votes: sent to the program that serves the page, or kept by the browser and saved as a file.

const MINE = "assetmill-votes-";
const NAME = "assetmill-voter";

// A page from disk may be denied its storage; votes then last as long as the page is open.
const remembered = {
  get(name) {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },
  set(name, text) {
    try {
      localStorage.setItem(name, text);
    } catch {
      /* nothing to be done */
    }
  },
};

const pairKey = (one) => `${one.asset}#${one.candidate}`;

class Ballots {
  constructor(data) {
    this.data = data;
    this.votes = new Map();
    for (const vote of data.votes) this.take(vote);
    if (!data.served) for (const vote of JSON.parse(remembered.get(MINE + data.id) || "[]")) this.take(vote);
  }

  take(vote) {
    this.votes.set(`${pairKey(vote)}\n${vote.voter}`, vote);
  }

  of(pair, voter) {
    return this.votes.get(`${pairKey(pair)}\n${voter}`);
  }

  others(pair, voter) {
    return [...this.votes.values()].filter((vote) => pairKey(vote) === pairKey(pair) && vote.voter !== voter);
  }

  // What most voters say of each pair, as the program counts: pairs that found each choice.
  counts() {
    const byPair = new Map();
    for (const vote of this.votes.values()) {
      const counts = byPair.get(pairKey(vote)) ?? new Map();
      counts.set(vote.choice, (counts.get(vote.choice) ?? 0) + 1);
      byPair.set(pairKey(vote), counts);
    }
    const found = new Map();
    for (const counts of byPair.values()) {
      const most = Math.max(...counts.values());
      const leaders = [...counts].filter(([, count]) => count === most);
      const choice = leaders.length === 1 ? leaders[0][0] : "equal";
      found.set(choice, (found.get(choice) ?? 0) + 1);
    }
    return found;
  }

  // Keep a vote; resolves once it is kept, and throws words if it is not.
  async cast(pair, voter, choice, note) {
    const vote = { asset: pair.asset, candidate: pair.candidate, voter, choice, note, voted_at: new Date().toISOString() };
    if (this.data.served) await this.send(vote);
    this.take(vote);
    if (!this.data.served) remembered.set(MINE + this.data.id, JSON.stringify([...this.votes.values()]));
  }

  async send(vote) {
    let answer;
    try {
      answer = await fetch("votes", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ votes: [vote] }),
      });
    } catch {
      throw new Error("The program that serves this page does not answer; the vote is not saved.");
    }
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(told.error ?? "The vote was refused.");
  }

  // The file that `assetmill compare votes --import` reads.
  save() {
    const document_ = { kind: "assetmill-votes", version: 1, comparison: this.data.id, votes: [...this.votes.values()] };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(document_, null, 1)], { type: "application/json" }));
    link.download = `votes-${this.data.id}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
}
