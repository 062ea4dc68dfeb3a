#pragma once
/// @file The prompts of docs/prompts, compiled in. Written by cmake/embed_prompts.py --fix; edit the pages.
#include <reasonembed/config.hpp>

#include <array>
#include <string_view>
#include <utility>

// clang-format off

namespace reasonembed::inline REASONEMBED_ABI::remixer {

/// Name and text of each page: "STAGE" or "STAGE.KIND", sorted by name.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kDefaultPrompts = {{
    {"annotate_relevance", R"md(# How relevant is a document to a query?

Sent for each pair of a query and a document that a retriever has found for it. The score is read from the last pair
of `score` tags. What relevance means comes from the task.

## system
You judge whether documents help with queries. You look for shared ideas, not for shared words: a document may use
none of the query's words and settle it, or nearly all of them and be useless. You reason before you judge, and you
use the whole scale.

## user
Field: {{domain}}
What a query is here: {{query_form}}
When a document is relevant: {{relevance}}

<query>
{{query}}
</query>

<document>
{{document}}
</document>

Work in three steps.

1. The query: what is really asked, and which knowledge, principle or method would an answer have to use?
2. The document: what does it state or show, and under which conditions does it hold?
3. The judgement: does the second supply what the first needs? Name the link or say what is missing, and do not give
   credit for a subject or for words in common.

Then score:
5 - it supplies the decisive idea: with it, the query can be settled
4 - it supplies a substantial part of what an answer needs
3 - it helps: some of what it says belongs into a good answer, but the main point is elsewhere
2 - it shares the subject, but an answer would not use it
1 - it has nothing to do with what the query needs

End with the score, a single whole number, in this form:
<score>N</score>
)md"},
    {"filter_domain", R"md(# Does a document belong to the domain?

Sent once for each document of a corpus that holds more than its task. Only the answer "Yes" keeps the document.

## system
You sort documents by field of knowledge. You answer with one word and nothing else.

## user
Field: {{domain}}

<document>
{{document}}
</document>

Would someone who works on questions of this field count the document above as material of the field, in the sense
that it holds facts, ideas, methods or code which such questions may need? Menus, advertisements, error pages, lists
of links and texts of other fields are not material.

Answer "Yes" or "No".
)md"},
    {"generate_queries", R"md(# A query from a document

Sent once for each sampled document, for tasks that have no file of their own. The query should need the ideas of
the document and share as few of its words as a real one would.

## system
You write queries as real people would write them, for a search system that has to find texts which help, not texts
which look alike. You have the patience of a good examiner: your queries can be answered, but not by matching words.

## user
Field: {{domain}}
What a query is here: {{query_form}}
When a text is relevant to a query: {{relevance}}

<document>
{{document}}
</document>

Write one query to which the document above is relevant, for somebody who has never seen it.

- Find the principle, fact or method that makes the document useful, and invent a concrete situation in which a
  person meets it without knowing its name. To get from the query to the document must take at least one step of
  reasoning.
- Use the words of that situation. Avoid the technical terms and the turns of phrase of the document wherever a
  person who asks could not know them.
- The query stands alone. It holds all that is needed to understand it, and it does not mention the document, a
  text, a passage or an author, nor that it was made from one.
- It does not contain its own answer.
- Length: {{length}}.
- Education of the person who asks: {{level}}. It shows in vocabulary, in depth and in what is taken for granted.

Write the query and nothing else: no title, no introduction, no quotation marks, no comment.
)md"},
    {"generate_queries.leetcode", R"md(# A programming problem from a document

Sent once for each sampled document of a task whose queries are problems as programming contests pose them.

## system
You set problems for programming contests. Your statements are precise and complete, and they never say which
algorithm or data structure solves them.

## user
When a document is relevant to a problem: {{relevance}}

<document>
{{document}}
</document>

The document above is a problem with its solution, or a piece of code. Find out what makes the solution work: the
algorithm, the data structure, the invariant, the trick. Then state a different problem that needs the same thing.

- Another setting, other names, other input and output than in the document. Somebody who compares the two
  statements by their words should not notice that they belong together; somebody who solves both should.
- State what is given, what is to be computed, at least one example with input, output and a short explanation, and
  the constraints on sizes and values. The constraints must rule out the obvious slow solution if the document's
  idea is about speed.
- Do not name or hint at the technique, and give no solution.
- The statement stands alone. It does not mention the document or another problem.
- Length: {{length}}.
- Education of the solvers: {{level}}. It shows in how formal it is and in what it takes for granted.

Write the statement and nothing else: no title, no quotation marks, no code fence around it, no comment.
)md"},
    {"generate_queries.math", R"md(# A maths problem from a document

Sent once for each sampled document of a task whose queries are mathematical problems, and whose documents are
solved problems or theorems.

## system
You compose mathematical problems. They are correct, complete and solvable, and they do not reveal which theorem or
idea opens them.

## user
When a document is relevant to a problem: {{relevance}}

<document>
{{document}}
</document>

The document above is a theorem, or a problem with its solution. Decide what its core is: the theorem that is used,
the construction, the substitution, the way to count. Then compose a different problem that is solved through the
same core.

- Other objects, other numbers, another story, if possible another branch of mathematics than in the document. The
  two texts should have few words in common and one idea.
- Everything that is needed is given, the question is unambiguous, and there is one answer or one claim to prove.
  Check that it can be solved before you write it down.
- Do not name the theorem or the method, and give neither hint nor solution.
- The problem stands alone. It does not mention the document or another problem.
- Write formulas in LaTeX between dollar signs.
- Length: {{length}}. If the bare problem is shorter, put it into a setting from which the reader must first extract
  it.
- Education of the solvers: {{level}}. It shows in the notions it uses and in what it takes for granted.

Write the problem and nothing else: no title, no quotation marks, no comment.
)md"},
    {"generate_queries.pony", R"md(# An instruction to write code in Pony from a document

Sent once for each sampled document of a task whose queries ask for code in the programming language Pony and whose
documents are pages of its manual.

## system
You write programming exercises for people who learn a language that few know. An exercise says what the program
must do, and leaves it to the reader to find out which features of the language do it.

## user
When a page of the manual is relevant to an exercise: {{relevance}}

<document>
{{document}}
</document>

The document above is a page about the language Pony. Write one exercise whose solution in Pony needs what the page
explains: the syntax, the type, the capability, the rule or the library call.

- Describe the task in terms of input, behaviour and result, in such detail that it can be programmed and tested.
  Give the signature of the function or the shape of the class where it helps.
- Do not name the feature that the page explains and do not quote its wording or its code. The reader must work out
  that it is needed.
- It must be clear that the solution is to be written in Pony.
- The exercise stands alone. It does not mention the page or any documentation, and contains no solution.
- Length: {{length}}.
- Education of the learners: {{level}}. It shows in vocabulary and in what is taken for granted.

Write the exercise and nothing else: no title, no quotation marks, no code fence around it, no comment.
)md"},
    {"generate_queries.post", R"md(# A StackExchange post from a document

Sent once for each sampled document of a task whose queries are posts on a question-and-answer site.

## system
You write posts for question-and-answer sites as real members write them: with a situation, with what they have seen
or tried, and with what puzzles them. The posts serve a search system that has to find texts which help, not texts
which look alike.

## user
Site: {{domain}}
When a passage is relevant to a post: {{relevance}}

<document>
{{document}}
</document>

Write one post for this site that the document above would help to answer, by somebody who has never seen it.

- Look for the idea that the document explains: a mechanism, a law, a distinction, a method. Let the writer meet one
  of its consequences, in daily life, at work or in study, and wonder about it. Whoever answers must reason from
  what is described to the idea behind it.
- Tell the particulars: what happened, in which order, which numbers or names of things belong to it, what was
  expected instead, which explanation the writer has considered and why it does not satisfy.
- Keep to the words of the observation. The terms that the document uses for its idea should be missing unless the
  writer's education makes them natural, and no sentence should follow one of the document.
- The post stands alone. It never speaks of a document, passage, text or source that somebody has given, and it does
  not answer itself.
- Length: {{length}}.
- Education of the writer: {{level}}. It shows in vocabulary, in depth and in what is taken for granted.

Write the body of the post and nothing else: no title, no greeting, no signature, no quotation marks, no comment.
)md"},
    {"write_reasoning_queries", R"md(# A query with its reasoning

Sent once for each query. Training compares how hard the query is with how hard this text is, and so learns how much
reasoning the query needs.

## system
You prepare difficult queries for a search system. You think a query through and write down what a well-informed
person would look for, so that the texts which help are found by what they say.

## user
Field: {{domain}}
What a query is here: {{query_form}}
When a document is relevant: {{relevance}}

<query>
{{query}}
</query>

Write a text that could be searched for in the place of this query.

- Begin with the essential problem: what is asked once the circumstances are put aside.
- Reason step by step about what may be behind it: the principles, mechanisms, theorems, methods or parts of a
  language that come into question, by their proper names, and why.
- Say which information would help, and how a text that holds it would put it.
- End with a draft of the answer, as far as it can be given.

Write continuous prose, without headings, lists or quotation marks, and nothing besides the text itself.
)md"},
}};

}  // namespace reasonembed::remixer
